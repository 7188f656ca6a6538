//! The configuration of the real binary: sources, their order, and what is refused.

use crate::support::{Sidecar, repo, sidegate};

#[test]
fn a_flag_wins_over_the_environment_and_the_environment_over_the_file() {
    let sidecar = Sidecar::builder()
        .config("policies: { principal_type: FromFile, poll_interval: 1h }\nshutdown: { deadline: 11s }")
        .env("SIDEGATE_SHUTDOWN__DEADLINE", "12s")
        .env("SIDEGATE_SERVER__OPS__LISTEN", "not an address, but the flag wins")
        .start_failing();
    // A value that cannot be read is a problem even where a stronger source has another.
    assert_eq!(sidecar.code, Some(64), "{sidecar:?}");

    let sidecar = Sidecar::builder()
        .config("shutdown: { deadline: 11s }")
        .env("SIDEGATE_SHUTDOWN__DEADLINE", "12s")
        .env("SIDEGATE_SERVER__OPS__LISTEN", "127.0.0.1:1")
        .start();
    assert_eq!(sidecar.stop().code, Some(0));
    assert_eq!(sidecar.events("stopping")[0]["deadline_ms"], 12_000.0);
}

#[test]
fn every_problem_is_shown_with_its_place_and_the_start_fails_with_64() {
    let exited = Sidecar::builder()
        .config("server: { authorise: { listen: x } }\naudit: { mode: sync }")
        .env("SIDEGATE_POLICIES__WACH", "true")
        .start_failing();
    assert_eq!(exited.code, Some(64), "{exited:?}");
    assert!(exited.stdout.is_empty(), "{exited:?}");
    for text in
        ["authorise", "authorize", "sidegate.yaml:", "durable", "SIDEGATE_POLICIES__WACH", "SIDEGATE_POLICIES__WATCH"]
    {
        assert!(exited.stderr.contains(text), "no `{text}` in {}", exited.stderr);
    }
}

#[test]
fn a_wrong_log_filter_and_a_missing_file_are_configuration_errors() {
    let exited = Sidecar::builder().config("telemetry: { log: { level: 'sidegate=loud' } }").start_failing();
    assert_eq!(exited.code, Some(64), "{exited:?}");
    assert!(exited.stderr.contains("sidegate=loud"), "{exited:?}");
    let exited = sidegate(["serve", "--config", "/no/such/file.yaml"]);
    assert_eq!(exited.code, Some(64), "{exited:?}");
    assert!(exited.stderr.contains("/no/such/file.yaml"), "{exited:?}");
}

/// Those of the product itself; the others in `config` are of what stands around it.
#[test]
fn the_shipped_configurations_are_good() {
    // The others there are those of proxies and of what watches.
    for name in ["sidegate.yaml", "production.yaml", "reference.yaml"] {
        let path = repo("config").join(name);
        let exited = sidegate(["serve", "--check-config", "--config", path.to_str().expect("UTF-8")]);
        assert_eq!(exited.code, Some(0), "{}: {exited:?}", path.display());
    }
}
