//! From rules to a filter program of the kernel (classic BPF, seccomp(2)).
//!
//! The numbers are searched in a balanced tree over ranges of equal treatment: the kernel, when a filter is
//! installed, walks it once for each of some 900 system call numbers to find those that are always allowed,
//! so the time that a start takes grows with the steps of an average walk.

use super::rules::{Action, Condition, Rule, Test};
use std::collections::BTreeMap;

/// Bytes of an instruction: code (u16), jump if true, jump if false (u8), operand (u32).
pub(crate) const INSTRUCTION: usize = 8;

const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const JUMP: u16 = 0x05;
const IF_EQUAL: u16 = 0x15;
const IF_AT_LEAST: u16 = 0x35;
const RETURN: u16 = 0x06;

const RET_ALLOW: u32 = 0x7fff_0000;
const RET_ASK: u32 = 0x7fc0_0000;
const RET_ENOSYS: u32 = 0x0005_0000 | libc::ENOSYS as u32;

/// Places in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const fn argument(index: u32) -> u32 {
    16 + 8 * index
}

/// `AUDIT_ARCH_X86_64`.
pub(crate) const NATIVE: u32 = 0xc000_003e;
/// The bit that makes a number one of the x32 ABI.
pub(crate) const X32: u32 = 0x4000_0000;

#[derive(Clone, Copy)]
struct Instruction {
    code: u16,
    if_true: u8,
    if_false: u8,
    operand: u32,
}

fn instruction(code: u16, if_true: u8, if_false: u8, operand: u32) -> Instruction {
    Instruction { code, if_true, if_false, operand }
}

fn verdict(action: Action) -> Instruction {
    let operand = match action {
        Action::Allow => RET_ALLOW,
        Action::Ask => RET_ASK,
        Action::Unknown => RET_ENOSYS,
    };
    instruction(RETURN, 0, 0, operand)
}

/// Compiles `rules`; numbers without a rule are unknown, other architectures and x32 are asked about.
pub(crate) fn compile(rules: &BTreeMap<u32, Rule>) -> Vec<u8> {
    let mut program = vec![
        instruction(LOAD, 0, 0, ARCHITECTURE),
        instruction(IF_EQUAL, 1, 0, NATIVE),
        verdict(Action::Ask),
        instruction(LOAD, 0, 0, NUMBER),
    ];
    program.extend(tree(&ranges(rules)));
    program.into_iter().flat_map(encode).collect()
}

/// A program that allows everything.
pub(crate) fn open() -> Vec<u8> {
    encode(verdict(Action::Allow)).into()
}

fn encode(instruction: Instruction) -> [u8; INSTRUCTION] {
    let Instruction { code, if_true, if_false, operand } = instruction;
    let (code, operand) = (code.to_ne_bytes(), operand.to_ne_bytes());
    [code[0], code[1], if_true, if_false, operand[0], operand[1], operand[2], operand[3]]
}

/// Splits all numbers into runs of the same rule: the first of each run, and its rule.
fn ranges(rules: &BTreeMap<u32, Rule>) -> Vec<(u32, Rule)> {
    let mut ranges: Vec<(u32, Rule)> = Vec::new();
    let mut add = |first: u32, rule: Rule| match ranges.last_mut() {
        Some((start, last)) if *start == first => *last = rule,
        Some((_, last)) if *last == rule => {}
        _ => ranges.push((first, rule)),
    };
    let mut next = 0;
    for (&number, rule) in rules {
        if number > next {
            add(next, Action::Unknown.into());
        }
        add(number, rule.clone());
        next = number + 1;
    }
    add(next, Action::Unknown.into());
    add(X32, Action::Ask.into());
    ranges
}

/// Code that, with the number loaded, finds its range.
fn tree(ranges: &[(u32, Rule)]) -> Vec<Instruction> {
    let middle = ranges.len() / 2;
    match ranges {
        [] => vec![verdict(Action::Unknown)],
        [(_, rule)] => leaf(rule),
        _ => {
            let (low, high) = ranges.split_at(middle);
            let (low, high_code) = (tree(low), tree(high));
            let mut code = branch(high.first().map_or(0, |range| range.0), low.len());
            code.extend(low);
            code.extend(high_code);
            code
        }
    }
}

/// Skips `skipped` instructions if the number is at least `bound`. A conditional jump reaches 255 only.
fn branch(bound: u32, skipped: usize) -> Vec<Instruction> {
    match u8::try_from(skipped) {
        Ok(near) => vec![instruction(IF_AT_LEAST, near, 0, bound)],
        Err(_) => {
            let far = u32::try_from(skipped).unwrap_or(u32::MAX);
            vec![instruction(IF_AT_LEAST, 0, 1, bound), instruction(JUMP, 0, 0, far)]
        }
    }
}

fn leaf(rule: &Rule) -> Vec<Instruction> {
    let mut code = Vec::new();
    for (conditions, action) in &rule.cases {
        code.extend(case(conditions, *action));
    }
    code.push(verdict(rule.otherwise));
    code
}

/// Code that returns `action` if all conditions hold, and otherwise runs on behind itself.
fn case(conditions: &[Condition], action: Action) -> Vec<Instruction> {
    let mut code = vec![verdict(action)];
    for condition in conditions.iter().rev() {
        let mut test = test(*condition, code.len());
        test.extend(code);
        code = test;
    }
    code
}

/// Code that skips `rest` instructions unless the condition holds. (`rest` is that of one case: under 30.)
fn test(condition: Condition, rest: usize) -> Vec<Instruction> {
    let away = u8::try_from(rest).unwrap_or(u8::MAX);
    let low = argument(condition.argument);
    match condition.test {
        Test::Is(mask, value) => {
            let mut code = vec![instruction(LOAD, 0, 0, low)];
            if mask != u32::MAX {
                code.push(instruction(AND, 0, 0, mask));
            }
            code.push(instruction(IF_EQUAL, 0, away, value));
            code
        }
        Test::IsNull => vec![
            instruction(LOAD, 0, 0, low),
            instruction(IF_EQUAL, 0, away.saturating_add(2), 0),
            instruction(LOAD, 0, 0, low + 4),
            instruction(IF_EQUAL, 0, away, 0),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seccomp::rules::rules;
    use policy::Loosening;
    use std::collections::BTreeSet;

    /// Runs a program as the kernel would.
    fn run(program: &[u8], architecture: u32, number: u32, arguments: [u64; 6]) -> u32 {
        let mut data = Vec::new();
        data.extend(number.to_ne_bytes());
        data.extend(architecture.to_ne_bytes());
        data.extend([0; 8]);
        data.extend(arguments.iter().flat_map(|argument| argument.to_ne_bytes()));
        let (mut place, mut accumulator) = (0, 0u32);
        loop {
            let at = &program[place * INSTRUCTION..][..INSTRUCTION];
            let code = u16::from_ne_bytes([at[0], at[1]]);
            let operand = u32::from_ne_bytes([at[4], at[5], at[6], at[7]]);
            place += 1;
            let mut jump = |condition: bool| place += usize::from(if condition { at[2] } else { at[3] });
            match code {
                LOAD => accumulator = u32::from_ne_bytes(data[operand as usize..][..4].try_into().unwrap()),
                AND => accumulator &= operand,
                JUMP => place += operand as usize,
                IF_EQUAL => jump(accumulator == operand),
                IF_AT_LEAST => jump(accumulator >= operand),
                RETURN => return operand,
                _ => panic!("code {code:#x}"),
            }
        }
    }

    /// What the rules say, without a program.
    fn meant(rule: Option<&Rule>, arguments: [u64; 6]) -> u32 {
        let holds = |condition: &Condition| {
            let value = arguments[condition.argument as usize];
            match condition.test {
                Test::Is(mask, wanted) => value as u32 & mask == wanted,
                Test::IsNull => value == 0,
            }
        };
        let action = rule.map_or(Action::Unknown, |rule| {
            let case = rule.cases.iter().find(|(conditions, _)| conditions.iter().all(holds));
            case.map_or(rule.otherwise, |(_, action)| *action)
        });
        verdict(action).operand
    }

    #[test]
    fn every_number_gets_what_its_rule_says() {
        let interesting = [
            0,
            1,
            2,
            3,
            10,
            16,
            17,
            38,
            0o100,
            0o4755,
            0o2755,
            262,
            0x5412,
            0x1000_0000,
            0x1_0000_0000,
            u64::MAX,
        ];
        for loosened in [BTreeSet::new(), BTreeSet::from([Loosening::Ptrace, Loosening::Personality])] {
            let rules = rules(loosened.is_empty(), &loosened);
            let program = compile(&rules);
            for number in 0..600 {
                for a in interesting {
                    for b in interesting {
                        let arguments = [a, b, a, b, a, b];
                        let found = run(&program, NATIVE, number, arguments);
                        assert_eq!(found, meant(rules.get(&number), arguments), "{number} {arguments:x?}");
                    }
                }
            }
        }
    }

    #[test]
    fn only_the_native_architecture_gets_anything() {
        let program = compile(&rules(true, &BTreeSet::new()));
        const I386: u32 = 0x4000_0003;
        for number in 0..600 {
            assert_eq!(run(&program, I386, number, [0; 6]), RET_ASK);
            assert_eq!(run(&program, NATIVE, number | X32, [0; 6]), RET_ASK);
        }
        assert_eq!(run(&program, NATIVE, u32::MAX, [0; 6]), RET_ASK);
    }

    #[test]
    fn the_upper_half_of_a_32_bit_argument_hides_nothing() {
        let program = compile(&rules(true, &BTreeSet::new()));
        let hidden = 0xffff_ffff_0000_0000 | 0x5412;
        assert_eq!(run(&program, NATIVE, libc::SYS_ioctl as u32, [0, hidden, 0, 0, 0, 0]), RET_ASK);
    }

    #[test]
    fn a_walk_is_short() {
        let program = compile(&rules(true, &BTreeSet::new()));
        assert!(program.len() / INSTRUCTION < 500, "{} instructions", program.len() / INSTRUCTION);
    }
}
