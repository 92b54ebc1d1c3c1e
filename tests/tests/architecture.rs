//! Holds ARCHITECTURE.md's never-rules against the code, by the paths that each file names.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use regex::Regex;

/// Something that files in some places must not name.
struct Never {
    rule: &'static str,
    /// Where it holds: folders or files, from the root.
    within: &'static [&'static str],
    /// Where it does not hold all the same.
    except: &'static [&'static str],
    /// What is forbidden, as a regular expression over the code without comments.
    forbidden: &'static str,
}

const EVERYWHERE: &[&str] = &[
    "proto",
    "shared",
    "migrations",
    "control-plane",
    "agent",
    "examples",
    "tests",
];

const RULES: &[Never] = &[
    Never {
        rule: "the control plane knows nothing of the agent's crate",
        within: &["control-plane", "proto", "shared", "migrations"],
        except: &[],
        forbidden: r"\bdataguardian_agent\b",
    },
    Never {
        rule: "the agent knows nothing of the control plane's crate",
        within: &["agent", "proto", "shared", "migrations"],
        except: &[],
        forbidden: r"\bdataguardian_control_plane\b",
    },
    Never {
        rule: "the vocabulary knows no other crate of the workspace, and does no IO",
        within: &["shared/core/src"],
        except: &[],
        forbidden: r"\bdataguardian_\w+::|\b(tokio|tonic|sea_orm|fred|object_store|sqlx|std::(fs|net|process))::",
    },
    Never {
        rule: "sea-orm stays in the store",
        within: EVERYWHERE,
        except: &[
            "control-plane/src/store",
            "control-plane/src/store.rs",
            // Changes rows behind the store's back, to see what the store makes of them.
            "control-plane/tests/metadata/world.rs",
            "migrations",
            "tests/tests/architecture.rs",
        ],
        forbidden: r"\bsea_orm(_migration)?::",
    },
    Never {
        rule: "fred stays in the queue's Redis part",
        within: EVERYWHERE,
        except: &[
            "control-plane/src/queue/redis",
            "control-plane/src/queue/redis.rs",
            "tests/tests/architecture.rs",
        ],
        forbidden: r"\bfred::",
    },
    Never {
        rule: "the gate and the wire form of signals do no IO",
        within: &["control-plane/src/queue/gate", "control-plane/src/queue/wire"],
        except: &[],
        forbidden: r"\basync fn\b|\.await\b|\btracing::|SystemTime::now|Instant::now",
    },
    Never {
        rule: "object_store stays in the repository crate",
        within: EVERYWHERE,
        except: &["shared/repository", "tests/tests/architecture.rs"],
        forbidden: r"\bobject_store::",
    },
    Never {
        rule: "generated messages and statuses stay at the edge of the control plane",
        within: &[
            "control-plane/src/store",
            "control-plane/src/services",
            "control-plane/src/domain",
            "control-plane/src/queue",
            "control-plane/src/secrets",
            "control-plane/src/reconcilers",
            "control-plane/src/ca",
        ],
        except: &[],
        forbidden: r"\btonic::|\bdataguardian_proto::(v1|agent)\b",
    },
    Never {
        rule: "generated messages and statuses stay at the edge of the agent",
        within: &[
            "agent/src/engines",
            "agent/src/pipeline",
            "agent/src/config.rs",
            "agent/src/journal.rs",
            "agent/src/local_place.rs",
            "agent/src/repositories.rs",
            "agent/src/state.rs",
        ],
        except: &[],
        forbidden: r"\btonic::|\bdataguardian_proto::",
    },
    Never {
        rule: "transport does not touch the store",
        within: &["control-plane/src/grpc", "control-plane/src/http"],
        except: &[],
        forbidden: r"\b(crate|super)::store\b|\bstore::Store\b",
    },
    Never {
        rule: "the domain neither awaits nor reads a clock nor logs",
        within: &["control-plane/src/domain"],
        except: &[],
        forbidden: r"\basync fn\b|\.await\b|\bClock\b|\btracing::|Utc::now|SystemTime::now|Instant::now",
    },
    Never {
        rule: "an engine knows no storage, key or pipeline",
        within: &["agent/src/engines"],
        except: &[],
        forbidden: r"\bdataguardian_repository\b|\bcrate::(pipeline|runner|session|journal)\b",
    },
    Never {
        rule: "a state changes only through the state machine",
        within: &[
            "control-plane/src/grpc",
            "control-plane/src/reconcilers",
            "control-plane/src/http",
        ],
        except: &[],
        forbidden: r"\bset_state\b|\.state\s*=[^=]",
    },
    Never {
        rule: "unsafe code stays in one small crate",
        within: EVERYWHERE,
        except: &["shared/heap", "tests/tests/architecture.rs"],
        forbidden: r"\bunsafe (\{|fn|impl|trait|extern)|\bunsafe\(",
    },
    Never {
        rule: "no module is a drawer for everything",
        within: EVERYWHERE,
        except: &["tests/tests/architecture.rs"],
        forbidden: r"(?m)^\s*(pub(\([a-z]+\))? )?mod (common|util|utils|helpers|misc|manager)\b",
    },
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map(Path::to_owned)
        .unwrap_or_default()
}

fn sources(at: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut rest = vec![at.to_owned()];
    while let Some(path) = rest.pop() {
        if path.is_dir() {
            let skipped = ["target", "node_modules"].iter().any(|name| path.ends_with(name));
            for entry in fs::read_dir(&path)?.filter(|_| !skipped) {
                rest.push(entry?.path());
            }
        } else if path.is_file() && path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(found)
}

/// The code without its comment lines: what a comment names is no dependency.
fn code(path: &Path) -> Result<String> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    Ok(code.collect::<Vec<_>>().join("\n"))
}

fn breaches(never: &Never, root: &Path) -> Result<Vec<String>> {
    let forbidden = Regex::new(never.forbidden)?;
    let mut found = Vec::new();
    for within in never.within {
        let folder = root.join(within);
        let file = folder.with_extension("rs");
        for path in [sources(&folder)?, sources(&file)?].concat() {
            let shown = path.strip_prefix(root)?.to_path_buf();
            if never.except.iter().any(|except| shown.starts_with(except)) {
                continue;
            }
            if let Some(breach) = forbidden.find(&code(&path)?) {
                found.push(format!(
                    "{}: {} ({})",
                    never.rule,
                    shown.display(),
                    breach.as_str().trim()
                ));
            }
        }
    }
    Ok(found)
}

#[test]
fn the_never_rules_hold() -> Result<()> {
    let root = root();
    let mut found = Vec::new();
    for never in RULES {
        found.extend(breaches(never, &root)?);
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
    Ok(())
}

#[test]
fn each_rule_finds_its_breach() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let breach = "use sea_orm::Set;\nuse dataguardian_agent::x;\nuse dataguardian_control_plane::x;\nuse fred::x;\n\
                  use object_store::x;\nuse tonic::Status;\nuse crate::store::Store;\nasync fn x() {}\n\
                  use dataguardian_repository::x;\nuse tokio::fs;\nfn y() { a.state = b; }\nmod helpers;\n\
                  fn z() { unsafe { x() } }\n";
    for never in RULES {
        let at = folder.path().join(never.within[0]);
        fs::create_dir_all(&at)?;
        fs::write(at.join("breach.rs"), breach)?;
    }
    for never in RULES {
        assert!(
            !breaches(never, folder.path())?.is_empty(),
            "nothing found for: {}",
            never.rule
        );
    }
    Ok(())
}

#[test]
fn only_ring_does_cryptography_and_tls() -> Result<()> {
    let lock = fs::read_to_string(root().join("Cargo.lock"))?;
    for unwanted in ["aws-lc-rs", "aws-lc-sys", "openssl", "openssl-sys", "native-tls"] {
        assert!(
            !lock.contains(&format!("name = \"{unwanted}\"\n")),
            "{unwanted} is in Cargo.lock"
        );
    }
    Ok(())
}

/// Whoever has a fresh machine gets all of them by `make test`, and no test is the first to miss one.
#[test]
fn every_part_that_tests_use_is_installed_before_them() -> Result<()> {
    let words = |file: &str, line: &str| -> Result<Vec<String>> {
        let text = fs::read_to_string(root().join(file))?;
        let found = Regex::new(line)?.captures(&text).context("the list of parts")?;
        let mut words: Vec<_> = found[1].split_whitespace().map(str::to_owned).collect();
        words.sort();
        Ok(words)
    };
    let installed = words("Makefile", r"(?m)^PARTS := (.*)$")?;
    let known = words("tests/parts/install.sh", r"(?m)^readonly ALL_PARTS=\((.*)\)$")?;
    assert_eq!(installed, known);
    Ok(())
}

#[test]
fn the_top_level_stays_as_it_is() -> Result<()> {
    let known = [
        "proto",
        "control-plane",
        "agent",
        "shared",
        "migrations",
        "examples",
        "tests",
        "docs",
        "target",
    ];
    for entry in fs::read_dir(root())? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let fine = !entry.file_type()?.is_dir() || name.starts_with('.') || known.contains(&name.as_str());
        assert!(fine, "{name} is not of the top level");
    }
    Ok(())
}
