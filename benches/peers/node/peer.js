// `node peer.js graphile-worker|pg-boss enqueue|drain`: see ../README.md.
import { readFileSync } from "node:fs";
import pg from "pg";
import { Agent, request } from "undici";

const { DATABASE_URL, HUBSOFT_URL, HUBSOFT_TOKEN, JOBS, CONCURRENCY, RESULTS } = process.env;
const nJobs = Number(JOBS);
const concurrency = Number(CONCURRENCY);
const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 20 });
pool.on("error", (error) => console.error(error));
pool.on("connect", (db) => db.on("error", (error) => console.error(error)));

const dispatcher = new Agent({ connections: concurrency, pipelining: 1 });
const headers = { authorization: `Bearer ${HUBSOFT_TOKEN}`, "content-type": "application/json" };
let start;

async function open(body) {
  start ??= performance.now();
  const answer = await request(`${HUBSOFT_URL}/api/v1/integracao/atendimento`, {
    method: "POST",
    dispatcher,
    headers,
    body: JSON.stringify(body),
  });
  const json = await answer.body.json();
  return json.atendimento.protocolo;
}

// One INSERT a job; or one for all that came while the last ran, at most two at a time.
let waiting = [];
let nRunning = 0;
async function flush() {
  if (nRunning === 2 || waiting.length === 0) return;
  const batch = waiting;
  waiting = [];
  nRunning++;
  try {
    await insert(pool, batch.map((it) => it.job), batch.map((it) => it.protocolo));
    for (const it of batch) it.resolve();
  } catch (error) {
    for (const it of batch) it.reject(error);
  }
  nRunning--;
  flush();
}
const insert = (db, jobs, protocolos) =>
  db.query({
    name: "results",
    text: "INSERT INTO result SELECT * FROM unnest($1::bigint[], $2::text[])",
    values: [jobs, protocolos],
  });
async function store(job, protocolo) {
  if (RESULTS === "together") {
    await new Promise((resolve, reject) => {
      waiting.push({ job, protocolo, resolve, reject });
      setImmediate(flush);
    });
  } else {
    await pool.query({ name: "result", text: "INSERT INTO result VALUES ($1, $2)", values: [job, protocolo] });
  }
  stored(1);
}

let nStored = 0;
let end;
let drained;
const done = new Promise((resolve) => (drained = resolve));
function stored(n) {
  nStored += n;
  if (nStored === nJobs) {
    end = performance.now();
    drained();
  }
}

const bodies = () => JSON.parse(readFileSync(0, "utf8"));

const peers = {
  "graphile-worker": {
    async enqueue() {
      const { makeWorkerUtils } = await import("graphile-worker");
      const utils = await makeWorkerUtils({ pgPool: pool });
      await utils.migrate();
      await utils.addJobs(bodies().map((payload) => ({ identifier: "open", payload })));
      await utils.release();
    },
    async drain() {
      const { run, Logger } = await import("graphile-worker");
      const runner = await run({
        pgPool: pool,
        preset: {
          worker: {
            concurrentJobs: concurrency,
            localQueue: { size: 10 * concurrency },
            completeJobBatchDelay: 20,
            failJobBatchDelay: 20,
            logger: new Logger(() => () => {}),
          },
        },
        noHandleSignals: true,
        taskList: {
          open: async (body) => store(body.id_cliente_servico, await open(body)),
        },
      });
      await done;
      await runner.stop();
    },
  },
  "pg-boss": {
    async enqueue() {
      const { PgBoss } = await import("pg-boss");
      const boss = new PgBoss({ connectionString: DATABASE_URL, supervise: false, schedule: false });
      await boss.start();
      await boss.createQueue("open");
      const all = bodies();
      while (all.length) await boss.insert("open", all.splice(0, 5000).map((data) => ({ data })));
      await boss.stop();
    },
    async drain() {
      const { PgBoss } = await import("pg-boss");
      const boss = new PgBoss({ connectionString: DATABASE_URL, supervise: false, schedule: false, max: 20 });
      boss.on("error", (error) => console.error(error));
      await boss.start();
      // The connections of `dispatcher` keep to the concurrency; the rest of the jobs are at hand.
      const options = {
        batchSize: 2 * concurrency,
        localConcurrency: 3,
        burstWhenBatchFull: true,
        pollingIntervalSeconds: 0.5,
      };
      await boss.work("open", options, async (jobs) => {
        const protocolos = await Promise.all(jobs.map((job) => open(job.data)));
        await insert(pool, jobs.map((job) => job.data.id_cliente_servico), protocolos);
        stored(jobs.length);
      });
      await done;
      await boss.stop({ graceful: true });
    },
  },
};

const [name, action] = process.argv.slice(2);
await peers[name][action]();
await pool.end();
if (action === "drain") {
  const { user, system } = process.cpuUsage();
  console.log(`${(nJobs / ((end - start) / 1e3)).toFixed(1)} tickets/s, ${((user + system) / 1e6).toFixed(2)} s CPU`);
}
process.exit(0);
