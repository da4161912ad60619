use proptest::prelude::*;

use super::*;

fn run(mut guard: TerminalGuard, input: &[u8]) -> (String, TerminalGuard) {
    let mut out = Vec::new();
    guard.filter(input, &mut out);
    (String::from_utf8(out).expect("the output is UTF-8"), guard)
}

/// What passes of `input`, before `finish`.
fn filtered(input: impl AsRef<[u8]>) -> String {
    run(TerminalGuard::new(), input.as_ref()).0
}

fn assert_passes(inputs: &[&str]) {
    for input in inputs {
        let (out, guard) = run(TerminalGuard::new(), input.as_bytes());
        assert_eq!(out, *input);
        assert_eq!(guard.refusals().iter().count(), 0, "{input:?}");
    }
}

/// Each input, set between two letters, disappears without a trace but one count of this kind.
fn assert_refused(kind: Refusal, inputs: &[&str]) {
    for input in inputs {
        let (out, guard) = run(TerminalGuard::new(), format!("a{input}b").as_bytes());
        assert_eq!(out, "ab", "{input:?}");
        assert_eq!(guard.refusals().iter().collect::<Vec<_>>(), [(kind, 1)], "{input:?}");
        assert_eq!(guard.answers(), 0, "{input:?}");
    }
}

fn finished(input: &str) -> String {
    let (_, mut guard) = run(TerminalGuard::new(), input.as_bytes());
    let mut out = Vec::new();
    guard.finish(&mut out);
    String::from_utf8(out).expect("the output is UTF-8")
}

#[test]
fn text_and_white_space_pass() {
    assert_passes(&["", "plain text\r\n\ttab\x08\x07", "Grüße, 世界 🦀 e\u{301}", "\u{feff}\u{a0}\u{ffff}"]);
}

#[test]
fn what_full_screen_programs_use_passes() {
    assert_passes(&[
        "\x1b[m\x1b[1;31m\x1b[38;2;1;2;3m\x1b[48:2::1:2:3m\x1b[4:3m",
        "\x1b[H\x1b[2J\x1b[K\x1b[10;20H\x1b[5A\x1b[999;999H\x1b[32766;32766H",
        "\x1b[?1049h\x1b[?25l\x1b[?1000;1006h\x1b[?2004h\x1b[?2026h\x1b[?1;7h\x1b[?1048h",
        "\x1b7\x1b8\x1b[s\x1b[u\x1bD\x1bM\x1bE\x1bH\x1b=\x1b>\x1b(0\x1b(B\x0e\x0f\x1b#8",
        "\x1b[1;24r\x1b[r\x1b[4h\x1b[4l\x1b[2 q\x1b[!p\x1b[3g\x1b[L\x1b[M\x1b[P\x1b[@\x1b[X\x1b[S\x1b[T",
        "\x1b[>4;2m\x1b[>4m\x1b[22;0;0t\x1b[23;0;0t\x1b[80b",
    ]);
}

#[test]
fn queries_that_programs_need_pass_and_are_counted() {
    let (out, guard) = run(TerminalGuard::new(), b"\x1b[c\x1b[0c\x1b[>c\x1b[5n\x1b[6n");
    assert_eq!(out, "\x1b[c\x1b[0c\x1b[>c\x1b[5n\x1b[6n");
    assert_eq!(guard.answers(), 5);
}

#[test]
fn other_queries_are_refused() {
    assert_refused(
        Refusal::Query,
        &[
            "\x05",
            "\x1bZ",
            "\x1b[21t",
            "\x1b[20t",
            "\x1b[14t",
            "\x1b[18t",
            "\x1b[=c",
            "\x1b[1c",
            "\x1b[?6n",
            "\x1b[?15n",
            "\x1b[5;6n",
            "\x1b[x",
            "\x1b[>q",
            "\x1b[?u",
            "\x1b[?4m",
            "\x1b[?2026$p",
            "\x1b[4$p",
            "\x1b[1$w",
            "\x1b[1;1;1;1;1;1*y",
        ],
    );
}

#[test]
fn the_window_is_not_the_programs() {
    assert_refused(
        Refusal::Window,
        &[
            "\x1b[1t",
            "\x1b[2t",
            "\x1b[3;0;0t",
            "\x1b[4;1;1t",
            "\x1b[8;1;1t",
            "\x1b[9;1t",
            "\x1b[24t",
            "\x1b[22;3t",
        ],
    );
}

#[test]
fn operating_system_commands_are_refused_by_kind() {
    assert_refused(Refusal::Clipboard, &["\x1b]52;c;aGk=\x07", "\x1b]52;c;?\x07", "\x1b]052;c;aGk=\x07"]);
    assert_refused(Refusal::Notification, &["\x1b]9;hi\x07", "\x1b]777;notify;a;b\x07", "\x1b]99;;hi\x07"]);
    assert_refused(
        Refusal::Colour,
        &["\x1b]4;1;red\x07", "\x1b]10;?\x07", "\x1b]11;#000\x07", "\x1b]104\x07"],
    );
    assert_refused(
        Refusal::Command,
        &[
            "\x1b]50;?\x07",
            "\x1b]1337;File=:AA\x07",
            "\x1b]7;file://h/\x07",
            "\x1b]133;A\x07",
            "\x1b]\x07",
            "\x1b]0\x07",
            "\x1b]3;X=1\x07",
        ],
    );
}

#[test]
fn a_link_is_reduced_to_its_text() {
    assert_eq!(filtered("\x1b]8;;https://evil.example\x1b\\bank\x1b]8;;\x1b\\"), "bank");
}

#[test]
fn strings_are_dropped_with_their_end() {
    assert_refused(
        Refusal::String,
        &[
            "\x1bP$q\"p\x1b\\",
            "\x1bP+q544e\x1b\\",
            "\x1b_Ga=T\x1b\\",
            "\x1b^message\x1b\\",
            "\x1bXsos\x1b\\",
            "\x1bktitle\x1b\\",
        ],
    );
}

#[test]
fn a_sequence_smuggled_through_tmux_passthrough_is_dropped() {
    assert_eq!(filtered("a\x1bPtmux;\x1b\x1b]52;c;aGk=\x07\x1b\\b"), "ab");
}

#[test]
fn sequences_and_modes_off_the_list_are_refused() {
    assert_refused(
        Refusal::Sequence,
        &[
            "\x1bc",
            "\x1b%@",
            "\x1b%G",
            "\x1b G",
            "\x1b[3J",
            "\x1b[5i",
            "\x1b[5q",
            "\x1b[1;2;3;4;5T",
            "\x1b[61\"p",
            "\x1b[5000b",
            "\x1b[>1u",
            "\x1b[0;4;2y",
        ],
    );
    assert_refused(
        Refusal::Mode,
        &["\x1b[2h", "\x1b[20h", "\x1b[?3h", "\x1b[?2048h", "\x1b[?69h", "\x1b[?9001h", "\x1b[?h"],
    );
    assert_refused(
        Refusal::Malformed,
        &["\x1b[99999A", "\x1b[0000001A", "\x1b[1?A", "\x1b[1 2A", "\x1b[1:2A", "\x1b[12\x18"],
    );
}

#[test]
fn allowed_modes_survive_their_neighbours() {
    assert_eq!(filtered("\x1b[?25;2048;1049h"), "\x1b[?25;1049h");
}

#[test]
fn titles_pass_cleaned_and_bounded() {
    assert_eq!(filtered("\x1b]0;make: läuft\x07"), "\x1b]0;make: läuft\x1b\\");
    assert_eq!(
        filtered(b"\x1b]2;a\rb\x01c\x7f\xc2\x9bd\xffe\xe2\x80\xae\x1b\\"),
        "\x1b]2;abcd\u{fffd}e\x1b\\"
    );
    let long = filtered(format!("\x1b]1;{}\x07", "ä".repeat(1000)));
    assert_eq!(long, format!("\x1b]1;{}\x1b\\", "ä".repeat(MAX_TITLE)));
}

#[test]
fn c1_controls_introduce_nothing() {
    assert_eq!(filtered(b"\x9b21t \x9d52;c;aGk=\x07"), "\u{fffd}21t \u{fffd}52;c;aGk=\x07");
    assert_eq!(filtered("\u{9b}21t \u{90}q"), "\u{fffd}21t \u{fffd}q");
    let (_, guard) = run(TerminalGuard::new(), b"\x9b\xc2\x9b");
    assert_eq!(guard.refusals().of(Refusal::Control), 2);
}

#[test]
fn what_is_not_utf8_is_replaced_as_terminals_do() {
    assert_eq!(filtered(b"a\xffb\xc3(\xe2\x82z\xf0\x9f\xa6"), "a\u{fffd}b\u{fffd}(\u{fffd}z");
    assert_eq!(filtered(b"\xc0\xaf\xed\xa0\x80"), "\u{fffd}".repeat(5));
    assert_eq!(filtered(b"\xe2\x1b[21t\xe2\x1b[m"), "\u{fffd}\u{fffd}\x1b[m");
}

#[test]
fn other_terminals_get_ascii_only() {
    let (out, _) = run(TerminalGuard::for_ascii(), "ě\u{9b}\x1b]2;é\x07\x1b[1m".as_bytes());
    assert_eq!(out, "??\x1b]2;?\x1b\\\x1b[1m");
}

#[test]
fn an_escape_restarts_and_controls_are_executed_within_a_sequence() {
    assert_eq!(filtered("\x1b\x1b[1\x1b[31m"), "\x1b[31m");
    assert_eq!(filtered("\x1b[3\n1m"), "\n\x1b[31m");
    assert_eq!(filtered("\x1b[3\u{e4}1m"), "\u{e4}1m");
}

#[test]
fn a_string_without_end_costs_neither_memory_nor_the_rest_of_the_log() {
    for introducer in ["\x1bP", "\x1b]52;", "\x1b]0;", "\x1b_", "\x1bX"] {
        let mut guard = TerminalGuard::new();
        let mut out = Vec::new();
        guard.filter(introducer.as_bytes(), &mut out);
        for _ in 0..100 {
            guard.filter(&[b'x'; 4096], &mut out);
            assert!(guard.held.capacity() <= 2 * MAX_STRING);
        }
        assert_eq!(out, b"");
        guard.filter(b"\nnext line", &mut out);
        assert_eq!(out, b"\nnext line", "{introducer:?}");
    }
}

#[test]
fn an_overlong_command_ends_where_it_says() {
    let long = "x".repeat(2 * MAX_STRING);
    assert_refused(Refusal::Clipboard, &[&format!("\x1b]52;{long}\x07"), &format!("\x1b]52;{long}\x1b\\")]);
    assert_refused(Refusal::Malformed, &[&format!("\x1b[{}m", "1;".repeat(MAX_SEQUENCE))]);
}

#[test]
fn finish_puts_the_terminal_back() {
    assert_eq!(
        finished("\x1b[?1049h\x1b[?25l\x1b[?1003;1006h"),
        "\x1b[?1003l\x1b[?1006l\x1b[?25h\x1b[?1049l"
    );
    assert_eq!(finished("\x1b[38;2;0;0;0m\x1b(0\x1b="), "\x1b>\x1b(B\x0f\x1b[0m");
    assert_eq!(finished("\x1b[2;5r\x1b[4h\x1b[>4;2m\x1b[4 q"), "\x1b[4l\x1b7\x1b[r\x1b8\x1b[>4m\x1b[0 q");
}

#[test]
fn finish_leaves_alone_what_the_program_put_back() {
    assert_eq!(finished("\x1b[?1049;25h\x1b[31mred\x1b[0m\x1b[?1049l\x1b[?7l\x1b[?7h"), "");
}

#[test]
fn finish_drops_what_is_unfinished() {
    for (input, left) in [("\x1b[3", ""), ("\x1b", ""), ("\x1b]0;title", ""), ("\x1bPx", "")] {
        assert_eq!(finished(input), left, "{input:?}");
    }
    let (_, mut guard) = run(TerminalGuard::new(), b"\xe2\x82");
    let mut out = Vec::new();
    guard.finish(&mut out);
    guard.filter(b"[21t", &mut out);
    assert_eq!(out, "\u{fffd}[21t".as_bytes());
}

/// Bytes as hostile as they come: fragments of sequences more often than noise.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let fragment = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..6),
        prop::sample::select(&b"\x1b\x07\x18\n\x05\x7f\x9b\x9c\x9d\xc2\xe2"[..]).prop_map(|byte| vec![byte]),
        prop::sample::select(
            &["\x1b[", "\x1b]", "\x1bP", "\x1b\\", "\x1b]0;", "\x1b]52;c;", "\u{9b}", "🦀", "\x1b[?"][..]
        )
        .prop_map(|text| text.as_bytes().to_vec()),
        "[0-9;:?>]{0,6}[a-zA-Z@ $!]".prop_map(String::into_bytes),
        Just(vec![b'x'; 5000]),
    ];
    prop::collection::vec(fragment, 0..12).prop_map(|fragments| fragments.concat())
}

/// An independent reading of the output: it is text, allowed controls, and complete sequences, none of them on
/// this list of the worst.
fn assert_harmless(out: &str) {
    let mut rest = out.chars();
    while let Some(character) = rest.next() {
        match character {
            '\x07'..='\x0f' => {}
            '\x1b' => match rest.next() {
                Some('[') => {
                    let body: String = rest.by_ref().take_while_inclusive_final();
                    assert!(!body.ends_with(['i', 'x', 'y', 'p']) || body == "!p", "{body:?}");
                    assert!(!["21t", "20t", "3J"].contains(&body.as_str()), "{body:?}");
                }
                Some(']') => {
                    let command: String =
                        rest.by_ref().take_while(|&character| character != '\x1b').collect();
                    assert!(["0;", "1;", "2;"].iter().any(|title| command.starts_with(title)), "{command:?}");
                    assert!(command.chars().all(|character| !character.is_control()), "{command:?}");
                    assert_eq!(rest.next(), Some('\\'));
                }
                Some('(' | ')' | '*' | '+' | '#') => {
                    assert!(rest.next().is_some_and(|last| last.is_ascii_graphic()))
                }
                other => {
                    assert!(matches!(other, Some('7' | '8' | 'D' | 'E' | 'H' | 'M' | '=' | '>')), "{other:?}")
                }
            },
            _ => assert!(!character.is_control(), "{character:?}"),
        }
    }
}

/// The rest of a control sequence, with its final byte.
trait ControlSequence {
    fn take_while_inclusive_final(self) -> String;
}

impl<I: Iterator<Item = char>> ControlSequence for I {
    fn take_while_inclusive_final(mut self) -> String {
        let mut body = String::new();
        loop {
            let character = self.next().expect("a control sequence is complete");
            body.push(character);
            match character {
                ' '..='?' => {}
                '@'..='~' => return body,
                _ => panic!("{character:?} within a control sequence"),
            }
        }
    }
}

proptest! {
    #[test]
    fn chunks_do_not_matter(input in hostile(), cuts in prop::collection::vec(1_usize..9, 1..9)) {
        let (whole, at_once) = run(TerminalGuard::new(), &input);
        let (mut guard, mut out, mut rest) = (TerminalGuard::new(), Vec::new(), input.as_slice());
        for cut in cuts.into_iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (chunk, after) = rest.split_at(cut.min(rest.len()));
            guard.filter(chunk, &mut out);
            rest = after;
        }
        prop_assert_eq!(out, whole.into_bytes());
        prop_assert_eq!(guard.refusals(), at_once.refusals());
        prop_assert_eq!(guard.answers(), at_once.answers());
    }

    #[test]
    fn byte_by_byte_is_the_same_as_at_once(input in hostile()) {
        let (mut guard, mut out) = (TerminalGuard::new(), Vec::new());
        for byte in &input {
            guard.filter(std::slice::from_ref(byte), &mut out);
        }
        prop_assert_eq!(out, filtered(&input).into_bytes());
    }

    #[test]
    fn the_filter_of_a_filter_is_the_filter(input in hostile()) {
        let once = filtered(&input);
        let (twice, guard) = run(TerminalGuard::new(), once.as_bytes());
        prop_assert_eq!(&twice, &once);
        prop_assert_eq!(guard.refusals().iter().count(), 0);
    }

    #[test]
    fn the_output_is_harmless_to_another_reader(input in hostile()) {
        let (mut out, mut guard) = run(TerminalGuard::new(), &input);
        let mut end = Vec::new();
        guard.finish(&mut end);
        out += std::str::from_utf8(&end).expect("the output is UTF-8");
        assert_harmless(&out);
    }

    #[test]
    fn plain_text_is_never_lost(text in "[^\\p{Cc}]*") {
        prop_assert_eq!(filtered(&text), text);
    }

    #[test]
    fn memory_is_bounded(input in hostile()) {
        let (_, guard) = run(TerminalGuard::new(), &input);
        prop_assert!(guard.held.len() <= MAX_STRING);
    }
}
