//! Segmentation changes nothing, order between the sides changes nothing, and nothing that is held grows.

use gateway::identify::{Confidence, HELD, Identifier, Side, State};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::conversation::{Conversation, recorded};
use crate::{evasion, mining, written};

/// Everything that the other tests know, recorded and written.
fn corpus() -> Vec<Conversation> {
    let recorded = recorded().into_iter().map(|(_, conversation)| conversation);
    recorded.chain(written::all()).chain(mining::all()).chain(evasion::all()).collect()
}

fn told<'a>(turns: impl Iterator<Item = (Side, &'a [u8])>) -> State {
    let mut identifier = Identifier::new();
    for (side, bytes) in turns {
        identifier.push(side, bytes);
        assert!(identifier.held() <= HELD, "{} bytes are held", identifier.held());
    }
    identifier.finish().clone()
}

fn whole(conversation: &Conversation) -> State {
    told(conversation.turns.iter().map(|(side, bytes)| (*side, &bytes[..])))
}

#[test]
fn byte_by_byte_it_is_the_same() {
    for conversation in corpus() {
        let bytes =
            conversation.turns.iter().flat_map(|(side, bytes)| bytes.chunks(1).map(|byte| (*side, byte)));
        assert_eq!(told(bytes), whole(&conversation), "{conversation:02x?}");
    }
}

#[test]
fn each_side_at_once_it_is_the_same() {
    for conversation in corpus() {
        let (client, server) = (conversation.all(Side::Client), conversation.all(Side::Server));
        let sides = [(Side::Client, &client[..]), (Side::Server, &server[..])];
        let expected = whole(&conversation);
        assert_eq!(told(sides.into_iter()), expected, "{conversation:02x?}");
        assert_eq!(told(sides.into_iter().rev()), expected, "{conversation:02x?}");
    }
}

#[test]
fn what_is_empty_says_nothing() {
    assert!(matches!(Identifier::new().push(Side::Client, b""), State::Undecided(_)));
}

/// A conversation with a few of its bytes changed, cut out or put in.
fn mutated() -> impl Strategy<Value = Conversation> {
    let corpus = corpus();
    let change = (any::<Index>(), any::<Index>(), any::<u8>(), 0..4_u8);
    (0..corpus.len(), vec(change, 0..4)).prop_map(move |(place, changes)| {
        let mut conversation = corpus[place].clone();
        for (turn, byte, value, kind) in changes {
            let turn = turn.index(conversation.turns.len());
            let bytes = &mut conversation.turns[turn].1;
            if bytes.is_empty() {
                continue;
            }
            let place = byte.index(bytes.len());
            match kind {
                0 => bytes[place] = value,
                1 => bytes.truncate(place),
                2 => bytes.insert(place, value),
                _ => _ = bytes.remove(place),
            }
        }
        conversation
    })
}

fn pieces<'a>(conversation: &'a Conversation, sizes: &'a [usize]) -> impl Iterator<Item = (Side, &'a [u8])> {
    let mut sizes = sizes.iter().cycle();
    conversation.turns.iter().flat_map(move |(side, bytes)| {
        let mut rest = &bytes[..];
        let mut pieces = Vec::new();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min(*sizes.next().unwrap_or(&1)));
            pieces.push((*side, piece));
            rest = after;
        }
        pieces
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn in_any_pieces_it_is_the_same(conversation in mutated(), sizes in vec(1_usize..700, 1..9)) {
        prop_assert_eq!(told(pieces(&conversation, &sizes)), whole(&conversation));
    }

    #[test]
    fn noise_is_the_same_in_any_pieces_and_never_certain(
        client in vec(any::<u8>(), 0..300),
        server in vec(any::<u8>(), 0..300),
        sizes in vec(1_usize..40, 1..9),
    ) {
        let conversation = Conversation::default().client(client).server(server);
        let state = whole(&conversation);
        prop_assert_eq!(&told(pieces(&conversation, &sizes)), &state);
        prop_assert!(state.identity().is_some_and(|identity| identity.confidence < Confidence::Certain));
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn endless_openings_are_bounded(place in any::<Index>(), filler in any::<u8>(), chunk in 1_usize..5000) {
        let corpus = corpus();
        let conversation = &corpus[place.index(corpus.len())];
        let mut identifier = Identifier::new();
        for (side, bytes) in &conversation.turns {
            identifier.push(*side, &bytes[..bytes.len() / 2]);
        }
        for _ in 0..40_000_usize.div_ceil(chunk) {
            for side in [Side::Client, Side::Server] {
                identifier.push(side, &vec![filler; chunk]);
                prop_assert!(identifier.held() <= HELD);
            }
        }
    }
}
