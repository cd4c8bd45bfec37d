//! An outbox belongs to one HubSoft, and the sandbox is one of its own.

use super::{rows, tickets};
use crate::support::site::{Ended, Site};

#[test]
fn what_the_sandbox_opened_is_not_taken_for_real() {
    let site = Site::new("");
    site.write("queda.csv", rows(1..=3));
    let sandboxed =
        site.run(&["import", "queda.csv", "--sandbox", "--rate", "unlimited", "--json"]).expect(0);
    assert_eq!(sandboxed.json()["host"], "sandbox");
    assert!(sandboxed.stderr.contains("nothing of it real"), "{}", sandboxed.stderr);
    let results = site.table("queda.sandbox.mutirao/results.csv");
    assert_eq!(results.len(), 3);
    for row in &results {
        assert_eq!((&*row["state"], &*row["warning"]), ("opened", "sandbox: not a real ticket"));
    }

    let real = site.run(&["import", "queda.csv", "--rate", "unlimited", "--json"]).expect(0);
    assert_eq!(tickets(&site), (3, 0), "they were opened, not taken for open");
    assert_eq!(real.json()["host"], site.host());
    assert_eq!(site.table("queda.mutirao/results.csv")[0]["warning"], "");
    // Both can be looked at.
    site.run(&["status", "queda.sandbox"]).expect(0);
    site.run(&["status", "queda.csv"]).expect(0);
}

#[test]
fn an_outbox_tells_no_other_host_what_is_open() {
    let (site, other) = (Site::new(""), Site::new(""));
    site.write("queda.csv", rows(1..=3));
    site.run(&["import", "queda.csv", "--rate", "unlimited"]).expect(0);
    for (args, url) in [
        (&["import", "queda.csv"][..], other.url()),
        (&["import", "queda.csv", "--dry-run"], other.url()),
        (&["import", "queda.csv", "--sandbox", "-o", "queda.mutirao"], other.url()),
        (&["import", "queda.mutirao/results.csv", "--sandbox"], other.url()),
    ] {
        let mut command = site.command(args);
        command.env("HUBSOFT_URL", url);
        let refused = Ended::from(command.output().unwrap()).expect(2);
        assert!(refused.stderr.contains(&format!("belongs to `{}`", site.host())), "{}", refused.stderr);
        assert!(!refused.stderr.contains("3 "), "no count of what is open elsewhere: {}", refused.stderr);
    }
    assert_eq!((tickets(&site), tickets(&other)), ((3, 0), (0, 0)));
}

#[test]
fn a_batch_that_the_sandbox_began_is_not_ended_at_a_real_host() {
    let site = Site::new("");
    site.write("queda.csv", rows(1..=5));
    let sample = ["import", "queda.csv", "-o", "out", "--sandbox", "--sample", "2", "--rate", "unlimited"];
    site.run(&sample).expect(0);
    let refused = site.run(&["import", "queda.csv", "-o", "out"]).expect(2);
    assert!(refused.stderr.contains("not real"), "{}", refused.stderr);
    assert_eq!(tickets(&site), (0, 0));
    let warned = site.table("out/results.csv").iter().all(|it| it["warning"].starts_with("sandbox"));
    assert!(warned, "also what was not opened yet");
}
