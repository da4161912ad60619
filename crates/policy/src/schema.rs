//! The JSON Schema of policies, for editors to complete and check with.

use serde_json::{Value, json};

use crate::environment::PASSED;
use crate::limits::{CPUS, Limits, OPEN_FILES, PIDS};
use crate::syscalls::Loosening;
use crate::units::duration_text;

const SIZE: &str = "^[0-9]+(KiB|MiB|GiB|TiB|kB|MB|GB|TB)?$";
const TIME: &str = "^(none|(?=[0-9])([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?)$";
/// [`crate::environment`] takes any visible ASCII but `=`; a name that starts with `AURELIAN_` is reserved.
const NAME: &str = "^(?!AURELIAN_)[!-<>-~]+$";

/// The JSON Schema (draft 2020-12) of a policy.
///
/// An editor checks with it before [`Policy::parse`](crate::Policy::parse) does. It knows less: not the paths of
/// the host, not the bounds of limits that carry a unit, not what contradicts what. Every value that `to_yaml` or
/// the default text writes passes it.
pub fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Aurelian policy",
        "description": "What a run is allowed, on top of its image and its workspace.",
        "type": "object",
        "required": ["version"],
        "additionalProperties": false,
        "properties": {
            "version": { "description": "The version of the format.", "const": 1 },
            "filesystem": filesystem(),
            "limits": limits(),
            "syscalls": syscalls(),
            "environment": environment(),
            "network": {
                "description": "Not supported yet: a run has no network but a loopback of its own.",
                "type": "object",
                "additionalProperties": false,
                "default": {}
            }
        },
        "examples": [{ "version": 1, "limits": { "memory": "4GiB", "time": "30m" } }]
    })
}

fn filesystem() -> Value {
    let paths = |description: &str, example: &str| {
        json!({
            "description": description,
            "type": "array",
            "items": { "type": "string", "minLength": 1 },
            "uniqueItems": true,
            "maxItems": 1024,
            "default": [],
            "examples": [[example]]
        })
    };
    section(
        "Files and folders of the host, at their own place inside. They must exist; `~` is the operator's home, \
         relative paths begin in the folder of the policy; the deepest entry decides.",
        json!({
            "read": paths("Can be read.", "~/datasets"),
            "write": paths("Can be read and written.", "/srv/results"),
            "hide": paths("Look empty.", "./secrets")
        }),
    )
}

fn limits() -> Value {
    let default = Limits::default();
    let size = |description: &str, default: String| {
        json!({
            "description": description,
            "type": ["string", "integer"],
            "pattern": SIZE,
            "minimum": 0,
            "default": default,
            "examples": ["512MiB", "4GiB", "10GB"]
        })
    };
    let milli = |milli: u32| f64::from(milli) / 1000.0;
    section(
        "What a run may use up; all calls together, unless said otherwise.",
        json!({
            "memory": size("Memory of all processes together.", default.memory().to_string()),
            "pids": {
                "description": "Processes and threads alive at once.",
                "type": "integer",
                "minimum": PIDS.start(),
                "maximum": PIDS.end(),
                "default": default.pids()
            },
            "cpus": {
                "description": "Processors; 0.5 is half of one.",
                "type": "number",
                "minimum": milli(CPUS.start().as_milli()),
                "maximum": milli(CPUS.end().as_milli()),
                "default": default.cpus().as_milli() / 1000,
                "examples": [0.5, 2, 16]
            },
            "time": {
                "description": "Wall-clock time of the run; `none` for no limit.",
                "type": "string",
                "pattern": TIME,
                "default": default.time().map(duration_text),
                "examples": ["90s", "30m", "1h30m", "none"]
            },
            "scratch": size("Writes outside the workspace.", default.scratch().to_string()),
            "open_files": {
                "description": "Open files in each process.",
                "type": "integer",
                "minimum": OPEN_FILES.start(),
                "maximum": OPEN_FILES.end(),
                "default": default.open_files()
            },
            "output": size("Output kept of each call.", default.output().to_string())
        }),
    )
}

fn syscalls() -> Value {
    section(
        "Refused system calls that are allowed after all.",
        json!({
            "allow": {
                "description": "`ptrace` is for gdb and strace, `personality` for `setarch -R`. Anything else \
                                would break the boundary, or is allowed anyway.",
                "type": "array",
                "items": { "enum": Loosening::ALL.map(Loosening::name) },
                "uniqueItems": true,
                "default": []
            }
        }),
    )
}

fn environment() -> Value {
    section(
        "Environment variables of the agent; nothing else of the host's environment gets in.",
        json!({
            "pass": {
                "description": "Names whose value is taken from the host, where it has one. Replaces the default.",
                "type": "array",
                "items": { "type": "string", "pattern": NAME },
                "uniqueItems": true,
                "default": PASSED
            },
            "set": {
                "description": "Names with their values.",
                "type": "object",
                "propertyNames": { "pattern": NAME },
                "additionalProperties": { "type": ["string", "number", "boolean"] },
                "default": {},
                "examples": [{ "CI": "1" }]
            }
        }),
    )
}

fn section(description: &str, properties: Value) -> Value {
    json!({
        "description": description,
        "type": "object",
        "additionalProperties": false,
        "properties": properties
    })
}
