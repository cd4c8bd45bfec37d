"""`python peer.py procrastinate enqueue|drain`: see ../README.md."""

import asyncio
import json
import logging
import os
import resource
import sys
import time

import aiohttp
import procrastinate
import psycopg_pool
import uvloop

DATABASE_URL = os.environ["DATABASE_URL"]
N_JOBS = int(os.environ["JOBS"])
CONCURRENCY = int(os.environ["CONCURRENCY"])
TOGETHER = os.environ["RESULTS"] == "together"
URL = os.environ["HUBSOFT_URL"] + "/api/v1/integracao/atendimento"
HEADERS = {"Authorization": "Bearer " + os.environ["HUBSOFT_TOKEN"], "Content-Type": "application/json"}

logging.getLogger("procrastinate").setLevel(logging.ERROR)  # It wants a module for the app.
app = procrastinate.App(
    connector=procrastinate.PsycopgConnector(
        conninfo=DATABASE_URL, min_size=20, max_size=20, kwargs={"prepare_threshold": 1}
    )
)


class Results:
    """One INSERT a job; or one for all that came while the last ran."""

    def __init__(self, pool):
        self.pool, self.waiting, self.running = pool, [], False
        self.n_stored, self.start, self.end = 0, None, None

    async def store(self, job, protocolo):
        if TOGETHER:
            done = asyncio.get_running_loop().create_future()
            self.waiting.append((job, protocolo, done))
            if not self.running:
                self.running = True
                asyncio.create_task(self.flush())
            await done
        else:
            async with self.pool.connection() as db:
                await db.execute("INSERT INTO result VALUES (%s, %s)", (job, protocolo))
        self.n_stored += 1
        if self.n_stored == N_JOBS:
            self.end = time.perf_counter()

    async def flush(self):
        while self.waiting:
            batch, self.waiting = self.waiting, []
            async with self.pool.connection() as db:
                await db.execute(
                    "INSERT INTO result SELECT * FROM unnest(%s::bigint[], %s::text[])",
                    ([it[0] for it in batch], [it[1] for it in batch]),
                )
            for it in batch:
                it[2].set_result(None)
        self.running = False


http: aiohttp.ClientSession
results: Results


@app.task(name="open")
async def open_ticket(body):
    if results.start is None:
        results.start = time.perf_counter()
    async with http.post(URL, data=json.dumps(body), headers=HEADERS) as answer:
        protocolo = (await answer.json())["atendimento"]["protocolo"]
    await results.store(body["id_cliente_servico"], protocolo)


async def enqueue():
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        bodies = json.load(sys.stdin)
        for at in range(0, len(bodies), 5000):
            await open_ticket.batch_defer_async(*({"body": body} for body in bodies[at : at + 5000]))


async def drain():
    global http, results
    pool = psycopg_pool.AsyncConnectionPool(
        DATABASE_URL, min_size=20, max_size=20, open=False,
        kwargs={"prepare_threshold": 1, "autocommit": True},
    )
    async with (
        app.open_async(),
        pool,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONCURRENCY)) as http,
    ):
        results = Results(pool)
        await app.run_worker_async(
            concurrency=CONCURRENCY, wait=False, listen_notify=False,
            install_signal_handlers=False, delete_jobs="successful",
        )
    usage = resource.getrusage(resource.RUSAGE_SELF)
    rate = N_JOBS / (results.end - results.start)
    print(f"{rate:.1f} tickets/s, {usage.ru_utime + usage.ru_stime:.2f} s CPU")


uvloop.run({"enqueue": enqueue, "drain": drain}[sys.argv[2]]())
