import java.net.URI;
import java.net.http.*;
import java.nio.charset.StandardCharsets;
import java.security.*;
import java.time.Duration;
import java.util.*;
import java.util.regex.*;

/** 2206 and 2207 over plain HTTP (Java 17). Amounts stay text: read them with BigDecimal. */
public class Client {
    static final Pattern INFCODE = Pattern.compile("\"infcode\"\\s*:\\s*\"?(-?[0-9]+)");

    /** x-tif headers: SHA-256 of timestamp + secret + nonce + timestamp, in hex. */
    static String signature(String at, String secret, String nonce) throws GeneralSecurityException {
        byte[] text = (at + secret + nonce + at).getBytes(StandardCharsets.UTF_8);
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(text));
    }

    /**
     * The answer, once infcode is 0 or -2; the very same message again until then. Store the
     * message before the first try: after the last one only its msgid (or 2601) tells the outcome.
     */
    static String send(String url, String paasid, String secret, String message, int tries) throws Exception {
        HttpClient line = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        for (int number = 0; number < tries; number++) {
            if (number > 0) Thread.sleep(Math.min(1L << number, 30) * 1000);
            String at = String.valueOf(System.currentTimeMillis() / 1000), nonce = UUID.randomUUID().toString();
            HttpRequest asked = HttpRequest.newBuilder(URI.create(url)).timeout(Duration.ofSeconds(30))
                .header("Content-Type", "application/json").header("x-tif-paasid", paasid)
                .header("x-tif-timestamp", at).header("x-tif-nonce", nonce)
                .header("x-tif-signature", signature(at, secret, nonce))
                .POST(HttpRequest.BodyPublishers.ofString(message)).build();
            try {
                String told = line.send(asked, HttpResponse.BodyHandlers.ofString()).body();
                Matcher code = INFCODE.matcher(told);
                if (code.find() && !code.group(1).equals("-1")) return told; // 0: done. -2: show err_msg
            } catch (java.io.IOException lost) { /* on the way there or back: nobody knows yet */ }
        }
        throw new IllegalStateException("outcome unknown: repeat or reverse the msgid");
    }

    /** java Client.java URL PAASID MESSAGE-FILE; the secret in MEDAID_HIS_SECRET. */
    public static void main(String[] given) throws Exception {
        String message = java.nio.file.Files.readString(java.nio.file.Path.of(given[2]));
        System.out.println(send(given[0], given[1], System.getenv("MEDAID_HIS_SECRET"), message, 5));
    }
}
