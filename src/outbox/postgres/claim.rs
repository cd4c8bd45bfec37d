//! Claims: rows that are due are validated, marked as possibly sent, and handed out, in one commit.
//!
//! Claims stand in line behind a lock, so what this one reads of a service is the truth. Candidates
//! are locked as they are read: producers and commands that want to change one wait for the commit.

use std::cell::Cell;
use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use jiff::Timestamp;
use sqlx::{AssertSqlSafe, Executor, PgConnection};
use tokio::time::Instant;

use super::candidate::{Candidate, Look, backlog, candidates, held, unreadable};
use super::error::{Trouble, all_of, objection};
use super::keys::ClaimKeys;
use super::lately::is_silent;
use super::lease::Worker;
use super::parking::Stride;
use super::piecewise::{Refusals, piecewise, within};
use super::session::Access;
use super::values::{Time, text};
use super::write::{write, write_attempts};
use super::written::{WrittenRow, n_written, returning};
use crate::delivery::{
    Backlog, CLAIM_AGE_MAX, Claim, ClaimRequest, Claimed, End, OutboxError, Refused, RowId, Settle,
};
use crate::outbox::doubts::{begun, is_begun};
use crate::outbox::filter::Filter;
use crate::outbox::names::{IN_FLIGHT, state_name};
use crate::outbox::refusal::unread;
use crate::outbox::settles::are_distinct;
use crate::outbox::stored::json;
use crate::ticket::in_words;

/// Of invalid rows in a row, so many are read at once and refused, at most.
const REFUSALS: usize = 512;

/// So many are refused in one commit, about: what was decided of a flood of them counts at once, and the
/// others claim in between.
const REFUSALS_MAX: usize = 4 * REFUSALS;

/// So many rows that somebody holds are counted.
const HELD_MAX: usize = 1000;

/// After a look that took no longer, the next is wider.
const LOOK_QUICK: Duration = Duration::from_millis(50);

/// A claim that has looked for so long looks no further.
const LOOKING_MAX: Duration = Duration::from_millis(400);

/// Statements of one look. What they spend on the way is not counted, of one look and not of each: all others
/// wait for the way as well.
const STATEMENTS: u32 = 4;

/// What one look at the candidates led to.
#[derive(Default)]
struct Round {
    claims: Vec<Claim>,
    refusals: Vec<Refused>,
    /// Rows whose service is written in an unusual way, and how it is to be written. They are looked
    /// at again.
    services: Vec<(i64, i64)>,
    /// Lotes that have no key yet. Their rows are looked at again.
    lotes: BTreeSet<String>,
    /// When a row falls due that was free to be claimed, but not wanted.
    spare: Option<Timestamp>,
    /// Rows were passed over, and there may be more behind those that were seen.
    is_short: bool,
}

/// How rows are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Care {
    /// All at once. If one cannot be, none is.
    Whole,
    /// All but those that the database refuses.
    Piecewise,
}

impl Care {
    async fn write<T: Clone>(
        self,
        conn: &mut PgConnection,
        rows: &[T],
        mut work: impl AsyncFnMut(&mut PgConnection, &[T]) -> Result<(), OutboxError>,
    ) -> Result<Refusals<T>, OutboxError> {
        match self {
            _ if rows.is_empty() => Ok(Vec::new()),
            Self::Whole => work(conn, rows).await.map(|()| Vec::new()),
            Self::Piecewise => piecewise(conn, rows, work).await,
        }
    }
}

/// Looks at `rows_max` rows at once at most, but for one. `began` is told when its turn comes: from then on
/// all others wait for it.
pub(super) async fn claim(
    worker: &Worker,
    filter: Filter,
    want: ClaimRequest,
    rows_max: usize,
    began: &Cell<Option<Instant>>,
) -> Result<Claimed, OutboxError> {
    let mut tx = worker.outbox().tx(Access::Claiming).await?;
    began.set(Some(Instant::now()));
    let mut keys = ClaimKeys::new(worker.keys());
    let claimed = match attempt(&mut tx, worker, &mut keys, filter, want, rows_max, Care::Whole).await {
        // A row that the database will not have read, or changed, spoils no claim of the others.
        Err(error) if objection(&error).is_some() => {
            tx.restart().await?;
            keys = ClaimKeys::new(worker.keys());
            began.set(Some(Instant::now()));
            tx.execute("SET LOCAL lock_timeout = '100ms'").await.trouble()?;
            attempt(&mut tx, worker, &mut keys, filter, want, rows_max, Care::Piecewise).await?
        }
        claimed => claimed?,
    };
    tx.commit().await?;
    keys.committed();
    Ok(Claimed { n_passed_over: worker.passed_over().n_rows(), ..claimed })
}

/// The same, with outcomes that are stored in the same commit. `None`: nothing was done, because something
/// about one of the rows is odd. Those that wait to claim wait for it all, so it waits for nobody long.
pub(super) async fn claim_carrying(
    worker: &Worker,
    settles: &[Settle],
    filter: Filter,
    want: ClaimRequest,
    rows_max: usize,
    began: &Cell<Option<Instant>>,
) -> Result<Option<Claimed>, OutboxError> {
    if !are_distinct(settles) {
        return Ok(None);
    }
    let carried = async {
        let mut tx = worker.outbox().tx(Access::Carrying).await?;
        began.set(Some(Instant::now()));
        write(&mut tx, worker.id(), settles.iter()).await?;
        write_attempts(&mut tx, settles.iter()).await?;
        let mut keys = ClaimKeys::new(worker.keys());
        let claimed = attempt(&mut tx, worker, &mut keys, filter, want, rows_max, Care::Whole).await?;
        tx.commit().await?;
        keys.committed();
        Ok(Claimed { n_passed_over: worker.passed_over().n_rows(), ..claimed })
    };
    match carried.await {
        Err(error) if objection(&error).is_some() => Ok(None),
        claimed => claimed.map(Some),
    }
}

async fn attempt(
    conn: &mut PgConnection,
    worker: &Worker,
    keys: &mut ClaimKeys<'_>,
    filter: Filter,
    want: ClaimRequest,
    rows_max: usize,
    care: Care,
) -> Result<Claimed, OutboxError> {
    let mut claimed = Claimed::default();
    let mut services = HashSet::new();
    let mut left = (want.posts, want.look_ups);
    let began = Instant::now();
    let on_the_way = worker.outbox().distance().of(STATEMENTS);
    let (look_quick, looking_max) = (LOOK_QUICK + on_the_way, LOOKING_MAX + on_the_way);
    let (mut n_refused, mut ahead) = (0, 1);
    let (mut end, mut is_last) = (want.end, false);
    claimed.backlog = loop {
        let looked = Instant::now();
        // One more of each than wanted, to know whether more is due. Of a kind that is not wanted none is
        // locked, which would be a write.
        let ask = |n: usize| if n == 0 { 0 } else { n.saturating_add(ahead) };
        let asked = (ask(left.0), ask(left.1));
        let but = worker.passed_over().but_these();
        let look = Look { filter, now: want.now, n_posts: asked.0, n_look_ups: asked.1, end, but: &but };
        let rows = match care {
            Care::Whole => candidates(conn, &look).await?,
            Care::Piecewise => match within(conn, async |conn| candidates(conn, &look).await).await? {
                Ok(rows) => rows,
                Err(_) => {
                    worker.passed_over().add(unreadable(conn, &look).await?);
                    if looking_max <= began.elapsed() {
                        break more_from(want.now);
                    }
                    continue;
                }
            },
        };
        let candidates = rows.iter().map(Candidate::read).collect::<Result<Vec<_>, _>>()?;
        keys.read(conn, candidates.iter().map(|candidate| candidate.lote)).await?;
        let (look_ups, posts): (Vec<_>, Vec<_>) =
            candidates.into_iter().partition(|candidate| candidate.doubt.is_some());
        let mut round = Round::default();
        // Doubts first: they are older, and what they leave behind may be posted.
        round.take(look_ups, asked.1, &mut left.1, want.now, &mut services, keys);
        round.take(posts, asked.0, &mut left.0, want.now, &mut services, keys);
        let (spare, mut is_short) = (round.spare, round.is_short);
        let is_refusing = !round.refusals.is_empty();
        n_refused += round.refusals.len();
        let n_written = round.write(conn, worker, want.now, keys, care, &mut claimed).await?;
        if care == Care::Piecewise {
            // Others may have the place of those that could not be claimed.
            let n_look_ups = claimed.claims.iter().filter(|claim| claim.doubt.is_some()).count();
            let n_posts = claimed.claims.len() - n_look_ups;
            let taken = std::mem::replace(&mut left, (want.posts - n_posts, want.look_ups - n_look_ups));
            is_short |= left != taken;
        }
        if is_refusing {
            // Where one is invalid, many may be; but the next may take longer to read.
            let wider = if looked.elapsed() < look_quick { 4 * ahead } else { ahead / 4 };
            ahead = wider.clamp(1, REFUSALS.min(rows_max.max(1)));
        }
        if is_last {
            break more_from(want.now);
        }
        // Without any progress the next look would be the same.
        if !is_short || n_written == 0 {
            if let Some(due) = spare {
                break more_from(due);
            }
            // Much that cannot go lies in front: it is not read once more only to tell when there will be
            // more.
            if looking_max <= began.elapsed() {
                break more_from(want.now);
            }
            let (backlog, is_parked) = backlog(conn, filter, want.now, worker.id(), &but).await?;
            if !is_short && end == End::Front {
                let is_left = backlog.next_due.is_some_and(|due| due <= want.now);
                notice_held(conn, worker, &look, left, is_left).await?;
            }
            if !is_parked || left.0 == 0 {
                break backlog;
            }
            if worker.put_back(conn, Some(filter), Stride::CLAIM).await?.n_rows == 0 {
                break backlog;
            }
        }
        if REFUSALS_MAX <= n_refused || looking_max <= began.elapsed() {
            if n_refused == 0 || left.0 == 0 {
                break more_from(want.now);
            }
            // A flood of invalid rows leaves slots free: what came behind it has them.
            (end, is_last, ahead) = (End::Back, true, 1);
        }
    };
    Ok(claimed)
}

/// Tells of rows that are due and that somebody holds, once that lasts. Looks, which pass them over, do not
/// see them; so many as are `left` were wanted still.
async fn notice_held(
    conn: &mut PgConnection,
    worker: &Worker,
    look: &Look<'_>,
    left: (usize, usize),
    is_left: bool,
) -> Result<(), OutboxError> {
    let is_left = is_left && (0 < left.0 || 0 < left.1);
    if worker.passed_over().may_be_held(is_left) {
        let ask = |n: usize| if n == 0 { 0 } else { HELD_MAX };
        let but = worker.passed_over().but_these();
        let look = Look { n_posts: ask(left.0), n_look_ups: ask(left.1), but: &but, ..*look };
        worker.passed_over().warn_of_held(&held(conn, &look).await?);
    }
    Ok(())
}

/// More rows fall due then.
fn more_from(due: Timestamp) -> Backlog {
    Backlog { pending: true, next_due: Some(due), elsewhere: false }
}

impl Round {
    /// Takes up to `left` of `candidates`, in their order; so many were asked for.
    fn take(
        &mut self,
        candidates: Vec<Candidate<'_>>,
        n_asked: usize,
        left: &mut usize,
        now: Timestamp,
        services: &mut HashSet<i64>,
        keys: &ClaimKeys<'_>,
    ) {
        let was_full = 0 < n_asked && n_asked <= candidates.len();
        for candidate in candidates {
            if candidate.service.is_some_and(|service| services.contains(&service)) {
                continue;
            }
            if *left == 0 {
                let due = candidate.available_at;
                self.spare = Some(self.spare.map_or(due, |spare| spare.min(due)));
                return;
            }
            let marker = keys.marker(candidate.lote, candidate.referencia);
            let ticket = match candidate.parse() {
                Ok(ticket) => ticket,
                Err(problems) => {
                    let (state, code) = unread(&problems, candidate.doubt.as_ref());
                    self.refusals.push(Refused {
                        row: RowId(candidate.id),
                        line: candidate.line,
                        lote: candidate.lote.into(),
                        referencia: candidate.referencia.into(),
                        state,
                        code,
                        problems,
                    });
                    // Its results name the batch, too.
                    if marker.is_none() {
                        self.lotes.insert(candidate.lote.to_owned());
                    }
                    continue;
                }
            };
            let service = ticket.id_cliente_servico.get();
            if candidate.service != Some(service) {
                self.services.push((candidate.id, service));
                continue;
            }
            let Some(marker) = marker else {
                self.lotes.insert(candidate.lote.to_owned());
                continue;
            };
            services.insert(service);
            *left -= 1;
            self.claims.push(candidate.into_claim(ticket, marker, now));
        }
        self.is_short |= was_full || !self.services.is_empty() || !self.lotes.is_empty();
    }

    /// Hands out what is written; returns how many rows are not as they were, or passed over.
    async fn write(
        self,
        conn: &mut PgConnection,
        worker: &Worker,
        now: Timestamp,
        keys: &mut ClaimKeys<'_>,
        care: Care,
        to: &mut Claimed,
    ) -> Result<usize, OutboxError> {
        let Self { claims, refusals, services, lotes, .. } = self;
        let n_rows = claims.len() + refusals.len() + services.len() + lotes.len();
        let marked: Vec<&Claim> = claims.iter().collect();
        let unmarked =
            care.write(conn, &marked, async |conn, rows| mark(conn, worker, rows, now).await).await?;
        let mut refused: Refusals<i64> =
            unmarked.into_iter().map(|(claim, why)| (claim.row.0, why)).collect();
        let to_refuse: Vec<&Refused> = refusals.iter().collect();
        let unrefused = care.write(conn, &to_refuse, async |conn, rows| refuse(conn, rows).await).await?;
        refused.extend(unrefused.into_iter().map(|(refusal, why)| (refusal.row.0, why)));
        let unnamed = care.write(conn, &services, async |conn, rows| rewrite(conn, rows).await).await?;
        refused.extend(unnamed.into_iter().map(|((row, _), why)| (row, why)));
        if !lotes.is_empty() {
            keys.make(conn, lotes).await?;
        }
        let is_refused = |row: RowId| refused.iter().any(|(id, _)| *id == row.0);
        to.claims.extend(claims.into_iter().filter(|claim| !is_refused(claim.row)));
        to.refused.extend(refusals.into_iter().filter(|refusal| !is_refused(refusal.row)));
        worker.passed_over().add(refused);
        Ok(n_rows)
    }
}

/// Marks what is claimed as possibly sent, if the worker's lease lasts long enough.
async fn mark(
    conn: &mut PgConnection,
    worker: &Worker,
    claims: &[&Claim],
    now: Timestamp,
) -> Result<(), OutboxError> {
    let is_marked = format!(
        "o.state = {IN_FLIGHT} AND o.token = v.token AND o.worker = $2 AND o.claimed_at = $3
         AND o.sent_at IS NOT NULL AND {}",
        is_begun("o", "v.is_post")
    );
    let sql = format!(
        include_str!("mark.sql"),
        in_flight = IN_FLIGHT,
        doubt = begun("o", "$3 + $5"),
        is_silent = is_silent(2),
        returning = returning(&is_marked),
    );
    let marked: Vec<WrittenRow> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(claims.iter().map(|claim| claim.row.0).collect::<Vec<_>>())
        .bind(worker.id())
        .bind(Time(now))
        .bind(CLAIM_AGE_MAX)
        .bind(CLAIM_AGE_MAX + worker.timeout())
        .bind(claims.iter().map(|claim| claim.token.0).collect::<Vec<_>>())
        .bind(claims.iter().map(|claim| claim.doubt.is_none()).collect::<Vec<_>>())
        .fetch_all(&mut *conn)
        .await
        .trouble()?;
    // The rows are locked: it is all of them, or the worker may not, or somebody's trigger is in the way.
    if marked.is_empty() {
        return Err(worker.why_unmarked(conn).await?);
    }
    all_of(claims.len(), n_written(conn, &marked).await?)
}

async fn refuse(conn: &mut PgConnection, refusals: &[&Refused]) -> Result<(), OutboxError> {
    let sql = format!(
        "WITH v AS (SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[])
                                        v(id, state, code, said, problems)),
                    kept AS (UPDATE mutirao.record r SET problems = v.problems
                               FROM v JOIN mutirao.outbox o ON o.id = v.id WHERE r.id = o.record)
               UPDATE mutirao.outbox o
                  SET state = v.state, error_code = v.code, error_message = v.said, finished_at = clock_timestamp()
                 FROM v WHERE o.id = v.id
            {}",
        returning("o.state = v.state")
    );
    let refused: Vec<WrittenRow> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(refusals.iter().map(|refusal| refusal.row.0).collect::<Vec<_>>())
        .bind(refusals.iter().map(|refusal| state_name(refusal.state)).collect::<Vec<_>>())
        .bind(refusals.iter().map(|refusal| text(&refusal.code)).collect::<Vec<_>>())
        .bind(
            refusals
                .iter()
                .map(|refusal| text(&in_words(&refusal.problems)).into_owned())
                .collect::<Vec<_>>(),
        )
        .bind(refusals.iter().map(|refusal| json(&refusal.problems)).collect::<Vec<_>>())
        .fetch_all(&mut *conn)
        .await
        .trouble()?;
    all_of(refusals.len(), n_written(conn, &refused).await?)
}

/// Writes services as plain digits, by which rows of one service are known.
async fn rewrite(conn: &mut PgConnection, rows: &[(i64, i64)]) -> Result<(), OutboxError> {
    let (ids, services): (Vec<i64>, Vec<i64>) = rows.iter().copied().unzip();
    let sql = format!(
        "UPDATE mutirao.outbox o SET id_cliente_servico = v.service::text
           FROM unnest($1::bigint[], $2::bigint[]) v(id, service) WHERE o.id = v.id
         {}",
        returning("o.id_cliente_servico = v.service::text")
    );
    let asked = sqlx::query_as(AssertSqlSafe(sql)).bind(ids).bind(services);
    let rewritten: Vec<WrittenRow> = asked.fetch_all(&mut *conn).await.trouble()?;
    all_of(rows.len(), n_written(conn, &rewritten).await?)
}
