// Asks Sidegate with the `fetch` of Node, Deno, Bun or a browser: node ask.ts 'bob edit order o-1' 'bob delete order o-1'
//
// Prints `allow` or `deny` for each question. Whatever is not an explicit yes is a deny: an error, a time-out, an answer of another form.

type Entity = { type: string; id: string; properties?: Record<string, unknown> };
type Answer = { decision?: unknown; context?: { id?: string; reason?: { code: string } } };

export function sidegate(url: string, token?: string, timeout = 1000) {
  const headers: Record<string, string> = { "Content-Type": "application/json" };
  if (token) headers["Authorization"] = `Bearer ${token}`;

  /** Whether the user may do it. `fetch` keeps its connections. */
  return async function may(user: string, action: string, resource: Entity): Promise<boolean> {
    const question = { subject: { type: "user", id: user }, action: { name: action }, resource };
    try {
      const response = await fetch(`${url}/access/v1/evaluation`, {
        method: "POST",
        headers,
        body: JSON.stringify(question),
        redirect: "error",
        signal: AbortSignal.timeout(timeout),
      });
      // Read in any case: a body that is left behind costs the connection.
      const text = await response.text();
      if (response.status !== 200) throw new Error(`status ${response.status}: ${text.slice(0, 200)}`);
      const answer = JSON.parse(text) as Answer;
      // The id leads to the record in the audit log.
      console.error(`decision ${answer.context?.id}: ${answer.context?.reason?.code}`);
      return answer.decision === true;
    } catch (error) {
      console.error(`denied, since nobody said yes: ${error}`);
      return false;
    }
  };
}

const may = sidegate(process.env.SIDEGATE_URL ?? "http://127.0.0.1:8480", process.env.SIDEGATE_TOKEN);
for (const asked of process.argv.slice(2)) {
  const [user, action, type, id] = asked.split(" ");
  console.log((await may(user, action, { type, id })) ? "allow" : "deny");
}
