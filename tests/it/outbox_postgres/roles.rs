//! Each role may do what it is for, and nothing else.

use sqlx::{AssertSqlSafe, PgConnection};

use crate::support::postgres::Database;
use crate::support::site::Site;

/// Insufficient privilege.
const REFUSED: &str = "42501";

/// Roles are the server's, not the database's: each test has its own, and takes them away.
pub struct Roles {
    pub database: Database,
    pub admin: PgConnection,
    prefix: String,
    sql: String,
}

impl Roles {
    pub async fn new(site: &Site) -> Self {
        let database = Database::empty().await;
        let prefix = format!("test_{:08x}", fastrand::u32(..));
        let mut sql = site.run(&["migrate", "--print-roles"]).expect(0).stdout;
        for role in ["owner", "producer", "worker", "reader"] {
            sql = sql.replace(&format!("mutirao_{role}"), &format!("{prefix}_{role}"));
        }
        let admin = database.connect().await;
        Self { database, admin, prefix, sql }
    }

    pub async fn grant(&mut self) {
        sqlx::raw_sql(AssertSqlSafe(self.sql.clone())).execute(&mut self.admin).await.unwrap();
    }

    pub fn name(&self, role: &str) -> String {
        format!("{}_{role}", self.prefix)
    }

    pub fn url(&self, role: &str) -> String {
        let url = self.database.url();
        let joint = if url.contains('?') { '&' } else { '?' };
        format!("{url}{joint}options[role]={}", self.name(role))
    }

    /// Runs what is printed; what the server says if it refuses.
    async fn try_grant(&mut self) -> Option<String> {
        let done = sqlx::raw_sql(AssertSqlSafe(self.sql.clone())).execute(&mut self.admin).await;
        sqlx::raw_sql("ROLLBACK").execute(&mut self.admin).await.unwrap();
        done.err().map(|error| error.to_string())
    }

    /// Runs `sql` as a role; the SQLSTATE if it is refused.
    async fn try_as(&mut self, role: &str, sql: &str) -> Option<String> {
        let set = format!("SET ROLE {}", self.name(role));
        sqlx::raw_sql(AssertSqlSafe(set)).execute(&mut self.admin).await.unwrap();
        let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.admin).await;
        sqlx::raw_sql("ROLLBACK; RESET ROLE").execute(&mut self.admin).await.unwrap();
        done.err().map(|error| error.as_database_error().unwrap().code().unwrap().into_owned())
    }

    async fn refuses(&mut self, role: &str, all: &[&str]) {
        for sql in all {
            assert_eq!(self.try_as(role, sql).await.as_deref(), Some(REFUSED), "{role}: {sql}");
        }
    }

    pub async fn drop_roles(&mut self) {
        let names = ["owner", "producer", "worker", "reader"].map(|it| self.name(it)).join(", ");
        let sql = format!("DROP OWNED BY {names} CASCADE; DROP ROLE {names}");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.admin).await.unwrap();
    }
}

#[tokio::test]
async fn each_role_may_do_what_it_is_for_and_nothing_else() {
    let site = Site::new("");
    let mut it = Roles::new(&site).await;
    it.grant().await; // Before there is an outbox;
    site.run_at(&it.url("owner"), &["migrate"]).expect(0);
    it.grant().await; // after it;
    it.grant().await; // and again.
    site.run_at(&it.url("owner"), &["migrate"]).expect(0);

    // The documents' insert, and its query.
    let page = include_str!("../../../docs/integration.md");
    let told = page.split("```sql\n").skip(1).filter_map(|it| Some(it.split_once("```")?.0));
    for sql in told {
        assert_eq!(it.try_as("producer", sql).await, None, "{sql}");
    }
    site.write(
        "queda.csv",
        "id_cliente_servico;descricao;nome;telefone\n11001;Sem sinal;Ana;37999112201\n11002;Sem sinal;Bia;1\n",
    );
    let (worker, reader) = (it.url("worker"), it.url("reader"));
    site.run_at(&worker, &["enqueue", "queda.csv"]).expect(3);
    site.run_at(&worker, &["worker", "--until-empty", "--rate", "unlimited"]).expect(0);
    site.run_at(&worker, &["enqueue", "queda.csv"]).expect(3);
    for command in [&["retry", "queda"][..], &["cancel", "queda"], &["pause"], &["resume"]] {
        site.run_at(&worker, command).expect(0);
    }
    assert_eq!(site.audit().tickets, 2);
    for command in [&["status"][..], &["status", "queda"], &["show", "1"], &["export", "queda", "-o", "out"]]
    {
        site.run_at(&reader, command).expect(0);
    }
    assert_eq!(site.table("out/results.csv").len(), 2);
    site.run_at(&worker, &["purge", "--older-than", "0s"]).expect(0);

    it.refuses("owner", &["CREATE ROLE test_more", "CREATE DATABASE test_more", "CREATE SCHEMA test_more"])
        .await;
    it.refuses(
        "producer",
        &[
            "SELECT nome FROM mutirao.outbox",
            "SELECT * FROM mutirao.outbox",
            "INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone, state)
             VALUES ('1', 'x', 'y', 'z', 'cancelled')",
            "UPDATE mutirao.outbox SET nome = 'x'",
            "DELETE FROM mutirao.outbox",
            "SELECT note FROM mutirao.attempt",
            "SELECT cells FROM mutirao.record",
            "UPDATE mutirao.pace SET paused_at = now()",
            "CREATE TABLE mutirao.more ()",
        ],
    )
    .await;
    it.refuses(
        "worker",
        &[
            "DELETE FROM mutirao.outbox",
            "DELETE FROM mutirao.attempt",
            "TRUNCATE mutirao.outbox CASCADE",
            "ALTER TABLE mutirao.outbox ADD more text",
            "DROP TABLE mutirao.attempt",
            "CREATE TABLE mutirao.more ()",
            "INSERT INTO mutirao.migration (version) VALUES (99)",
        ],
    )
    .await;
    it.refuses(
        "reader",
        &[
            "INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone) VALUES ('1', 'x', 'y', 'z')",
            "UPDATE mutirao.outbox SET state = 'cancelled'",
            "DELETE FROM mutirao.record",
            "UPDATE mutirao.pace SET paused_at = now()",
            "CREATE TABLE mutirao.more ()",
        ],
    )
    .await;
    let (role, login) = (it.name("reader"), ["retry", "queda"]);
    for (command, grant) in [
        (&login[..], "UPDATE ON mutirao.outbox"),
        (&["cancel", "queda"], "UPDATE ON mutirao.outbox"),
        (&["pause"], "UPDATE ON mutirao.pace"),
        (&["resume"], "UPDATE ON mutirao.pace"),
        (&["resume", "queda"], "UPDATE ON mutirao.batch"),
        (&["purge", "--older-than", "0s"], "UPDATE ON mutirao.record"),
        (&["worker"], "INSERT, UPDATE ON mutirao.meta"),
        (&["reconcile"], "INSERT, UPDATE ON mutirao.meta"),
        (&["enqueue", "queda.csv"], "INSERT, UPDATE ON mutirao.outbox"),
    ] {
        let said = site.run_at(&reader, command).expect(2).stderr;
        assert!(said.contains(&format!("{grant} TO {role}")), "{command:?}: {said}");
    }
    it.drop_roles().await;
}

/// In databases that were upgraded from PostgreSQL 14, anybody may make things in `public`.
#[tokio::test]
async fn what_somebody_put_into_public_runs_as_nobody_else() {
    let site = Site::new("");
    let mut it = Roles::new(&site).await;
    // Each hides Postgres' own, and tells on who called it.
    let traps = "
        CREATE TABLE public.caught (who text NOT NULL, what text NOT NULL);
        GRANT ALL ON public.caught TO PUBLIC;
        CREATE FUNCTION public.trap(what text) RETURNS void LANGUAGE sql AS
            $$INSERT INTO public.caught SELECT current_user, what$$;
        CREATE FUNCTION public.format(text, name) RETURNS text LANGUAGE sql AS
            $$SELECT public.trap('format'); SELECT pg_catalog.format($1, $2)$$;
        CREATE FUNCTION public.set_config(text, text, boolean) RETURNS text LANGUAGE sql AS
            $$SELECT public.trap('set_config'); SELECT pg_catalog.set_config($1, $2, $3)$$;
        CREATE FUNCTION public.now() RETURNS timestamptz LANGUAGE sql AS
            $$SELECT public.trap('now'); SELECT pg_catalog.now()$$;
        CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS
            $$SELECT public.trap('clock_timestamp'); SELECT pg_catalog.clock_timestamp()$$;
        CREATE FUNCTION public.to_regclass(text) RETURNS regclass LANGUAGE sql AS
            $$SELECT public.trap('to_regclass'); SELECT pg_catalog.to_regclass($1)$$;
        CREATE FUNCTION public.same(text, text) RETURNS boolean LANGUAGE sql AS
            $$SELECT public.trap('text ='); SELECT $1 OPERATOR(pg_catalog.=) $2$$;
        CREATE OPERATOR public.= (LEFTARG = text, RIGHTARG = text, FUNCTION = public.same);
        CREATE FUNCTION public.same(bigint, bigint) RETURNS boolean LANGUAGE sql AS
            $$SELECT public.trap('bigint ='); SELECT $1 OPERATOR(pg_catalog.=) $2$$;
        CREATE OPERATOR public.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = public.same)";
    sqlx::raw_sql(traps).execute(&mut it.admin).await.unwrap();
    let path = format!("ALTER DATABASE {} SET search_path = public, pg_catalog", it.database.name());
    sqlx::raw_sql(AssertSqlSafe(path)).execute(&mut it.admin).await.unwrap();
    it.admin = it.database.connect().await;
    it.grant().await;
    site.run_at(&it.url("owner"), &["migrate"]).expect(0);
    it.grant().await;
    let worker = it.url("worker");
    site.write("queda.csv", "id_cliente_servico;descricao;nome;telefone\n11001;Sem sinal;Ana;37999112201\n");
    site.run_at(&worker, &["enqueue", "queda.csv"]).expect(0);
    site.run_at(&worker, &["worker", "--until-empty", "--rate", "unlimited"]).expect(0);
    site.run_at(&worker, &["status"]).expect(0);
    site.run_at(&worker, &["export", "queda", "-o", "out"]).expect(0);
    site.run_at(&worker, &["purge", "--older-than", "0s"]).expect(0);
    let caught = "SELECT coalesce(array_agg(concat_ws(' ', who, what)), '{}') FROM public.caught";
    let caught: Vec<String> = sqlx::query_scalar(caught).fetch_one(&mut it.admin).await.unwrap();
    assert_eq!(caught, [""; 0]);
    it.drop_roles().await;
}

#[tokio::test]
async fn no_role_is_given_rights_on_a_schema_with_others_code_in_it() {
    let site = Site::new("");
    let mut it = Roles::new(&site).await;
    it.grant().await;
    site.run_at(&it.url("owner"), &["migrate"]).expect(0);
    for (make, what, undo) in [
        (
            "CREATE FUNCTION mutirao.more() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$;
             CREATE TRIGGER more BEFORE UPDATE ON mutirao.outbox FOR EACH ROW EXECUTE FUNCTION mutirao.more()",
            "function mutirao.more(), trigger more of mutirao.outbox",
            "DROP FUNCTION mutirao.more() CASCADE",
        ),
        (
            "CREATE OR REPLACE FUNCTION mutirao.wake_up() RETURNS trigger LANGUAGE plpgsql
             AS $$BEGIN RETURN NULL; END$$",
            "function mutirao.wake_up()",
            "DROP FUNCTION mutirao.wake_up() CASCADE",
        ),
        (
            "CREATE RULE more AS ON DELETE TO mutirao.outbox DO INSTEAD NOTHING",
            "rule more of mutirao.outbox",
            "DROP RULE more ON mutirao.outbox",
        ),
    ] {
        sqlx::raw_sql(make).execute(&mut it.admin).await.unwrap();
        let said = it.try_grant().await.expect("it is refused");
        assert!(said.contains(&format!("holds what is not ours: {what}")), "{said}");
        sqlx::raw_sql(undo).execute(&mut it.admin).await.unwrap();
        assert_eq!(it.try_grant().await, None);
    }
    it.drop_roles().await;
}

#[tokio::test]
async fn a_login_role_with_an_advisory_lock_stops_nobody() {
    let site = Site::new("");
    let mut it = Roles::new(&site).await;
    it.grant().await;
    site.run_at(&it.url("owner"), &["migrate"]).expect(0);
    it.grant().await;
    let mut neighbour = it.database.connect().await;
    // What claims once stood behind, what imports of a batch did, and migrations.
    let sql = "SELECT pg_advisory_lock(x'006d75746972616f'::bigint), pg_advisory_lock(x'6d74726f'::int, hashtext('queda')),
                      pg_advisory_lock(hashtextextended('mutirao.migration', 0))";
    sqlx::raw_sql(sql).execute(&mut neighbour).await.unwrap();
    site.run_at(&it.url("owner"), &["migrate"]).expect(0);
    for role in ["producer", "reader"] {
        it.refuses(
            role,
            &[
                "BEGIN; LOCK TABLE mutirao.turn IN SHARE UPDATE EXCLUSIVE MODE",
                "BEGIN; LOCK TABLE mutirao.turn",
                "BEGIN; INSERT INTO mutirao.importing VALUES ('queda')",
                "BEGIN; LOCK TABLE mutirao.importing IN SHARE MODE",
                "BEGIN; LOCK TABLE mutirao.migration IN ROW EXCLUSIVE MODE",
            ],
        )
        .await;
    }
    let sql = "INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone)
               VALUES ('11001', 'Sem sinal', 'Ana', '37999112201')";
    assert_eq!(it.try_as("producer", sql).await, None);
    site.run_at(&it.url("worker"), &["worker", "--until-empty", "--rate", "unlimited"]).expect(0);
    assert_eq!(site.audit().tickets, 1);
    site.write("queda.csv", "id_cliente_servico;descricao;nome;telefone\n11002;Sem sinal;Ana;37999112201\n");
    let enqueue = ["enqueue", "queda.csv", "--batch", "queda"];
    let role = it.name("worker");
    for right in ["INSERT ON mutirao.outbox", "DELETE ON mutirao.record"] {
        let revoke = format!("REVOKE {right} FROM {role}");
        sqlx::raw_sql(AssertSqlSafe(revoke)).execute(&mut it.admin).await.unwrap();
        let said = site.run_at(&it.url("worker"), &enqueue).stderr;
        assert!(said.contains(&format!("GRANT {right} TO {role}")), "{said}");
        it.grant().await;
    }
    site.run_at(&it.url("worker"), &enqueue).expect(0);
    it.drop_roles().await;
}
