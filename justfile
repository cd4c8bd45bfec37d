# One short name a task; `just` lists them. Each is a command that can be typed as well.

default:
    @just --list --unsorted

# A release build, of what Cargo.lock says
build:
    cargo build --release --locked

# Opens the sample's tickets in a sandbox
try:
    cargo run --locked -- import samples/queda-de-fibra.csv --sandbox

# All tests, or those that the arguments choose: `just test --test it simulation`
test *args:
    tests/run {{args}}

# The real binary amid all that goes wrong at once: `just chaos --minutes 10`
chaos *args:
    tests/chaos {{args}}

# What stores rows, broken by hand: tests notice; `just mutants sqlite fence`
mutants *names:
    tests/mutants {{names}}

# Instructions of check, import and export, against tests/cost.figures; `just cost --renew`
cost *args:
    tests/cost {{args}}

# What the documents say, held to the program
docs:
    tests/run --test it documents

fmt:
    cargo fmt

lint:
    cargo fmt --check
    cargo clippy --locked --all-targets -- -D warnings

# What a change must pass
ci:
    .ci/run

# Licences, sources and advisories of the dependencies (cargo install cargo-deny --locked)
deny:
    cargo deny check

# The figures of docs/figures.md; `just bench outbox`, `just bench figures -- check`
bench which="figures" *args:
    cargo bench --locked --bench {{which}} {{args}}

# All packages, or those that are named (`just packages deb zip`), and each tried
packages *parts:
    packaging/build {{parts}}
    packaging/try {{parts}}
