// Everything a service in another language needs of Windlass: enqueue, follow to the end, interrupt, understand a refusal.
//
//     node client.js ADDRESS TOKEN FOLDER_OF_PROTOS...
//
// Prints one JSON object: what each step came to.

const { randomUUID } = require("node:crypto");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const [address, token, ...folders] = process.argv.slice(2);
const SERVICES = ["tasks", "history"].map((name) => `windlass/v1/${name}_service.proto`);
const ERRORS = ["google/rpc/status.proto", "google/rpc/error_details.proto"];
const STYLE = { includeDirs: folders, keepCase: true, longs: Number, enums: String, defaults: true, oneofs: true };
const definition = loader.loadSync([...SERVICES, ...ERRORS], STYLE);
const windlass = grpc.loadPackageDefinition(definition).windlass.v1;

const credentials = grpc.credentials.createInsecure();
const tasks = new windlass.Tasks(address, credentials);
const history = new windlass.History(address, credentials);

function metadata(bearer = token) {
  const said = new grpc.Metadata();
  said.set("authorization", `Bearer ${bearer}`);
  return said;
}

function call(client, method, request, said = metadata()) {
  const deadline = Date.now() + 15_000;
  return new Promise((resolve, reject) => {
    client[method](request, said, { deadline }, (error, reply) => (error ? reject(error) : resolve(reply)));
  });
}

const json = (value) => ({ content_type: "application/json", data: Buffer.from(JSON.stringify(value)) });
const value = (payload) => (payload?.data?.length ? JSON.parse(payload.data) : null);

// What happened to a task behind a sequence, to its end or until `enough` says so.
async function follow(name, { after = 0, enough = () => false } = {}) {
  const stream = tasks.Watch({ name, after_sequence: after }, metadata(), { deadline: Date.now() + 15_000 });
  const events = [];
  for await (const event of stream) {
    events.push(event);
    if (enough(event)) {
      stream.on("error", () => {}); // it says that we left
      stream.cancel();
      break;
    }
  }
  return events;
}

// Status, reason and words of a refusal; the reason is what programs decide by.
async function refusal(promise) {
  try {
    await promise;
    return null;
  } catch (error) {
    const [bytes] = error.metadata.get("grpc-status-details-bin");
    const status = bytes ? decode("google.rpc.Status", bytes) : { details: [] };
    const info = status.details.find((detail) => detail.type_url.endsWith("google.rpc.ErrorInfo"));
    const { reason, metadata: facts } = info ? decode("google.rpc.ErrorInfo", info.value) : {};
    return { code: grpc.status[error.code], words: error.details, reason, facts };
  }
}

const decode = (type, bytes) => definition[type].deserialize(bytes);

async function main() {
  const request = { task: { kind: "Echo", payload: json({ one: 1, two: 2 }), labels: { from: "node" } } };
  request.request_id = randomUUID();
  const first = await call(tasks, "Enqueue", request);
  const again = await call(tasks, "Enqueue", request);
  const events = await follow(first.task);
  const rest = await follow(first.task, { after: events[1].sequence });
  const last = events.at(-1);

  const waiting = await call(tasks, "Enqueue", { task: { kind: "Wait", payload: json({}) }, request_id: randomUUID() });
  await follow(waiting.task, { enough: (event) => event.body === "stage" });
  const interrupted = await call(tasks, "Interrupt", { name: waiting.task, reason: "asked from node" });
  const end = (await follow(waiting.task)).at(-1);
  const card = await call(history, "Get", { name: waiting.task.replace("tasks/", "cards/") });

  console.log(
    JSON.stringify({
      receipts: [first.receipt, again.receipt],
      same: first.task === again.task,
      sequences: events.map((event) => event.sequence),
      rest: rest.map((event) => event.sequence),
      steps: events.filter((event) => event.body === "step").map((event) => event.step.text),
      state: last.state.state,
      result: value(last.state.result),
      interrupted: interrupted.state,
      end: [end.state.state, end.state.message],
      card: [card.state, card.task.labels, card.attempts.map((attempt) => attempt.outcome)],
      refusals: [
        await refusal(call(tasks, "Interrupt", { name: waiting.task, reason: "again" })),
        await refusal(call(tasks, "Get", { name: "tasks/987654321" })),
        await refusal(call(tasks, "Get", { name: waiting.task }, metadata("wrong"))),
      ],
    }),
  );
}

main().then(() => process.exit(0));
