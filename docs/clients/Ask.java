// Asks Sidegate with the JDK alone, 17 or newer: java Ask.java 'bob edit order o-1' 'bob delete order o-1'
//
// Prints `allow` or `deny` for each question. Whatever is not an explicit yes is a deny: an error, a time-out, an answer of another form.

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.regex.Pattern;

public class Ask {
    // The JDK reads no JSON. Your application does: read `decision` as a boolean there, and `context.id` as a text.
    private static final Pattern YES = Pattern.compile("\\s*\\{\\s*\"decision\"\\s*:\\s*true\\s*(,.*)?\\}\\s*", Pattern.DOTALL);
    private static final Pattern ID = Pattern.compile("\"id\"\\s*:\\s*\"([0-9A-Z]{26})\"");

    private static final Duration PATIENCE = Duration.ofSeconds(1);

    private final String url;
    private final String token;
    // Keeps its connections, and may be shared by threads.
    private final HttpClient client =
        HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).connectTimeout(PATIENCE).build();

    Ask(String url, String token) {
        this.url = url;
        this.token = token;
    }

    /** Whether the user may do it. */
    boolean may(String user, String action, String type, String id) {
        String question = "{\"subject\":{\"type\":\"user\",\"id\":%s},\"action\":{\"name\":%s},\"resource\":{\"type\":%s,\"id\":%s}}"
            .formatted(quote(user), quote(action), quote(type), quote(id));
        try {
            HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url + "/access/v1/evaluation"))
                .timeout(PATIENCE)
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(question));
            if (token != null) {
                request.header("Authorization", "Bearer " + token);
            }
            HttpResponse<String> response = client.send(request.build(), HttpResponse.BodyHandlers.ofString());
            String answer = response.body();
            if (response.statusCode() != 200) {
                throw new IllegalStateException("status " + response.statusCode() + ": " + answer);
            }
            var decision = ID.matcher(answer);
            // The id leads to the record in the audit log.
            System.err.println("decision " + (decision.find() ? decision.group(1) : "none"));
            return YES.matcher(answer).matches();
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
            return false;
        } catch (Exception error) {
            System.err.println("denied, since nobody said yes: " + error);
            return false;
        }
    }

    private static String quote(String text) {
        StringBuilder out = new StringBuilder("\"");
        for (char letter : text.toCharArray()) {
            if (letter == '"' || letter == '\\' || letter < ' ') {
                out.append("\\u%04x".formatted((int) letter));
            } else {
                out.append(letter);
            }
        }
        return out.append('"').toString();
    }

    public static void main(String[] questions) {
        String url = System.getenv().getOrDefault("SIDEGATE_URL", "http://127.0.0.1:8480");
        Ask sidegate = new Ask(url, System.getenv("SIDEGATE_TOKEN"));
        for (String asked : questions) {
            String[] words = asked.split(" ");
            boolean allowed = words.length == 4 && sidegate.may(words[0], words[1], words[2], words[3]);
            System.out.println(allowed ? "allow" : "deny");
        }
    }
}
