unit client;
{ 2206 and 2207 over plain HTTP (Delphi 10 and newer). Read amounts as Currency. }
interface
function Signature(const At, Secret, Nonce: string): string;
function Send(const Url, PaasId, Secret, Message: string; Tries: Integer = 5): string;
implementation
uses System.SysUtils, System.Classes, System.DateUtils, System.Hash, System.Math,
  System.RegularExpressions, System.Net.HttpClient, System.Net.URLClient;

{ SHA-256 of timestamp + secret + nonce + timestamp, in hex. }
function Signature(const At, Secret, Nonce: string): string;
begin
  Result := THashSHA2.GetHashString(At + Secret + Nonce + At);
end;

{ The answer, once infcode is 0 or -2; the very same message again until then. Store the
  message before the first try: after the last one only its msgid (or 2601) tells the outcome. }
function Send(const Url, PaasId, Secret, Message: string; Tries: Integer): string;
var
  Line: THTTPClient; Body: TStringStream; Number: Integer; At, Nonce: string; Code: TMatch;
begin
  Line := THTTPClient.Create; Body := TStringStream.Create(Message, TEncoding.UTF8);
  try
    Line.ConnectionTimeout := 5000; Line.ResponseTimeout := 30000;
    Line.ContentType := 'application/json';
    for Number := 0 to Tries - 1 do
    begin
      if Number > 0 then Sleep(Min(1 shl Number, 30) * 1000);
      At := IntToStr(DateTimeToUnix(Now, False)); Nonce := TGUID.NewGuid.ToString.Trim(['{', '}']);
      Line.CustomHeaders['x-tif-paasid'] := PaasId; Line.CustomHeaders['x-tif-timestamp'] := At;
      Line.CustomHeaders['x-tif-nonce'] := Nonce;
      Line.CustomHeaders['x-tif-signature'] := Signature(At, Secret, Nonce);
      Body.Position := 0;
      try
        Result := Line.Post(Url, Body).ContentAsString(TEncoding.UTF8);
        Code := TRegEx.Match(Result, '"infcode"\s*:\s*"?(-?[0-9]+)');
        if Code.Success and (Code.Groups[1].Value <> '-1') then Exit; { 0: done. -2: show err_msg }
      except on ENetException do { on the way there or back: nobody knows yet } end;
    end;
    raise Exception.Create('outcome unknown: repeat or reverse the msgid');
  finally
    Body.Free; Line.Free;
  end;
end;
end.
