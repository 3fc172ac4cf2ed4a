using System;
using System.IO;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading;

/// <summary>2206 and 2207 over plain HTTP (.NET Framework 4.5 and newer). Read amounts as decimal.</summary>
public static class Client
{
    static readonly Regex InfCode = new Regex("\"infcode\"\\s*:\\s*\"?(-?[0-9]+)");

    /// <summary>SHA-256 of timestamp + secret + nonce + timestamp, in hex.</summary>
    public static string Signature(string at, string secret, string nonce)
    {
        using (var sha = SHA256.Create())
            return BitConverter.ToString(sha.ComputeHash(Encoding.UTF8.GetBytes(at + secret + nonce + at))).Replace("-", "");
    }

    /// <summary>The answer, once infcode is 0 or -2; the very same message again until then. Store the
    /// message before the first try: after the last one only its msgid (or 2601) tells the outcome.</summary>
    public static string Send(string url, string paasid, string secret, string message, int tries = 5)
    {
        ServicePointManager.SecurityProtocol = SecurityProtocolType.Tls12;
        for (var number = 0; number < tries; number++)
        {
            if (number > 0) Thread.Sleep(Math.Min(1 << number, 30) * 1000);
            var at = ((long)(DateTime.UtcNow - new DateTime(1970, 1, 1)).TotalSeconds).ToString();
            var nonce = Guid.NewGuid().ToString("N");
            var asked = (HttpWebRequest)WebRequest.Create(url);
            asked.Method = "POST"; asked.ContentType = "application/json"; asked.Timeout = asked.ReadWriteTimeout = 30000;
            asked.Headers["x-tif-paasid"] = paasid; asked.Headers["x-tif-timestamp"] = at;
            asked.Headers["x-tif-nonce"] = nonce; asked.Headers["x-tif-signature"] = Signature(at, secret, nonce);
            try
            {
                var body = Encoding.UTF8.GetBytes(message);
                using (var sent = asked.GetRequestStream()) sent.Write(body, 0, body.Length);
                using (var answer = new StreamReader(asked.GetResponse().GetResponseStream(), Encoding.UTF8))
                {
                    var told = answer.ReadToEnd();
                    var code = InfCode.Match(told);
                    if (code.Success && code.Groups[1].Value != "-1") return told; // 0: done. -2: show err_msg
                }
            }
            catch (WebException) { /* on the way there or back: nobody knows yet */ }
            catch (IOException) { }
        }
        throw new TimeoutException("outcome unknown: repeat or reverse the msgid");
    }
}
