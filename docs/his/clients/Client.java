import java.io.*;
import java.net.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.security.*;
import java.util.*;
import java.util.regex.*;

/** 2206 and 2207 over plain HTTP (Java 8 and newer). Amounts stay text: read them with BigDecimal. */
public class Client {
    static final Pattern INFCODE = Pattern.compile("\"infcode\"\\s*:\\s*\"?(-?[0-9]+)");

    /** x-tif headers: SHA-256 of timestamp + secret + nonce + timestamp, in hex. */
    static String signature(String at, String secret, String nonce) throws GeneralSecurityException {
        byte[] text = (at + secret + nonce + at).getBytes(StandardCharsets.UTF_8);
        byte[] digest = MessageDigest.getInstance("SHA-256").digest(text);
        return String.format("%064x", new java.math.BigInteger(1, digest));
    }

    /**
     * The answer, once infcode is 0 or -2; the very same message again until then. Store the
     * message before the first try: after the last one only its msgid (or 2601) tells the outcome.
     */
    static String send(String url, String paasid, String secret, String message, int tries) throws Exception {
        for (int number = 0; number < tries; number++) {
            if (number > 0) Thread.sleep(Math.min(1L << number, 30) * 1000);
            String at = String.valueOf(System.currentTimeMillis() / 1000), nonce = UUID.randomUUID().toString();
            try {
                HttpURLConnection line = (HttpURLConnection) new URL(url).openConnection();
                line.setConnectTimeout(5000);
                line.setReadTimeout(30000);
                line.setDoOutput(true);
                line.setRequestProperty("Content-Type", "application/json");
                line.setRequestProperty("x-tif-paasid", paasid);
                line.setRequestProperty("x-tif-timestamp", at);
                line.setRequestProperty("x-tif-nonce", nonce);
                line.setRequestProperty("x-tif-signature", signature(at, secret, nonce));
                try (OutputStream out = line.getOutputStream()) { out.write(message.getBytes(StandardCharsets.UTF_8)); }
                String told;
                try (Scanner in = new Scanner(line.getInputStream(), "UTF-8")) { told = in.useDelimiter("\\A").next(); }
                Matcher code = INFCODE.matcher(told);
                if (code.find() && !code.group(1).equals("-1")) return told; // 0: done. -2: show err_msg
            } catch (IOException | NoSuchElementException lost) { /* there or back: nobody knows yet */ }
        }
        throw new IllegalStateException("outcome unknown: repeat or reverse the msgid");
    }

    /** java Client URL PAASID MESSAGE-FILE; the secret in MEDAID_HIS_SECRET. */
    public static void main(String[] given) throws Exception {
        String secret = Objects.requireNonNull(System.getenv("MEDAID_HIS_SECRET"), "MEDAID_HIS_SECRET is not set");
        String message = new String(Files.readAllBytes(Paths.get(given[2])), StandardCharsets.UTF_8);
        new PrintStream(System.out, true, "UTF-8").println(send(given[0], given[1], secret, message, 5));
    }
}
