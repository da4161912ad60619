//! The formats, by name and by content.

intake::formats! {
    /// A format of traces.
    pub Format of "trace" {
        /// mini-swe-agent, `.traj.json`: one file an episode, calls with times and ids.
        MiniSweAgent "mini-swe-agent",
        /// The commands of mini-swe-agent runs as lines: `run`, `tool_call_id`, `t_start`, `t_end`, `returncode`, `cmd`.
        Commands "commands",
        /// SWE-agent, `.traj`: one file an episode, and no times.
        SweAgent "swe-agent",
        /// OpenHands, lines of events or of whole episodes.
        OpenHands "openhands",
        /// Inspect, `.eval` (an archive) and `.json`.
        Inspect "inspect",
        /// Claude Code, lines of a session.
        ClaudeCode "claude-code",
        /// Messages in the manner of OpenAI's API, with a time each.
        Messages "messages",
        /// ATIF (Harbor): one time a step.
        Atif "atif",
        /// ROLL, rollouts in columns, one time an episode.
        Roll "roll",
        /// ROCK, the sandbox manager's access log and `LLMTraj.jsonl`.
        Rock "rock",
        /// OpenTelemetry spans as JSON, with the conventions for generative AI.
        OtlpJson "otlp-json",
        /// The same as protobuf.
        OtlpProto "otlp-proto",
        /// Vivaria, entries of a run's trace.
        Vivaria "vivaria",
        /// The event lines of Aurelian.
        Events "events",
        /// The spans of Aurelian as lines: what `aurelian trace convert --to jsonl` writes.
        Spans "spans",
        /// Any CSV with a header, by a column map.
        Csv "csv",
        /// Any lines of JSON objects, by a column map.
        Jsonl "jsonl",
    }
}
