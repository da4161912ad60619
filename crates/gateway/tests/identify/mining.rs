//! Mining in every dialect that is spoken in the clear, and what looks like it.

use event::Protocol;
use gateway::identify::{Confidence, Dialect};

use crate::conversation::{Conversation, client, server};

/// What clients say when they mine, by dialect.
const MINERS: &[(Dialect, &str)] = &[
    (Dialect::Stratum, r#"{"id":1,"method":"mining.subscribe","params":["cgminer/4.10.0"]}"#),
    (Dialect::Stratum, r#"{"params": [], "id": 1, "method": "mining.subscribe"}"#),
    (
        Dialect::Stratum,
        "{\n\t\"params\" : [ \"wallet.worker\" , \"x\" ] ,\r\n \"method\" : \"mining.authorize\" }",
    ),
    (Dialect::Stratum, r#"{"id":3,"method":"mining.extranonce.subscribe","params":[]}"#),
    (Dialect::Stratum, r#"{"id":1,"method":"mining.configure","params":[["version-rolling"],{}]}"#),
    (Dialect::Stratum, r#"{"id":0,"method":"mining.hello","params":{"agent":"x","host":"y"}}"#),
    (Dialect::Stratum, r#"{"id":1,"method":"m\u0069ning.subscribe","params":[]}"#),
    (
        Dialect::Stratum,
        r#"[{"id":1,"method":"ping","params":[]},{"id":2,"method":"mining.subscribe","params":[]}]"#,
    ),
    (Dialect::Stratum, r#"{"method":"eth_blockNumber","method":"mining.subscribe","id":1}"#),
    (Dialect::Stratum, r#"{"method":"mining.subscribe","method":"eth_blockNumber","id":1}"#),
    (
        Dialect::EthProxy,
        r#"{"worker":"eth1.0","jsonrpc":"2.0","params":["0xwallet","x"],"id":2,"method":"eth_submitLogin"}"#,
    ),
    (Dialect::EthProxy, r#"{"id":5,"method":"eth_getWork","params":[]}"#),
    (
        Dialect::EthProxy,
        r#"{"id":6,"jsonrpc":"2.0","method":"eth_submitHashrate","params":["0x500000","0x59"]}"#,
    ),
    (Dialect::EthProxy, r#"{"id":4,"method":"eth_submitWork","params":["0x1","0x2","0x3"]}"#),
    (
        Dialect::CryptoNote,
        r#"{"method":"login","params":{"login":"wallet","pass":"x","agent":"anything/1"},"id":1}"#,
    ),
    (
        Dialect::CryptoNote,
        r#"{"params":{"agent":"curl/8","pass":"","login":"w"},"id":1,"jsonrpc":"2.0","method":"login"}"#,
    ),
    (
        Dialect::CryptoNote,
        r#"{"method":"submit","params":{"id":"1","job_id":"2","nonce":"d0030040","result":"e1"},"id":1}"#,
    ),
    (Dialect::CryptoNote, r#"{"method":"login","login":"w","pass":"x","id":1,"params":null}"#),
    (
        Dialect::CryptoNote,
        r#"{"type":"submit","params":{"version":7,"job_id":"1","nonce":"aa","result":"bb"}}"#,
    ),
    (Dialect::Getwork, r#"{"method":"getwork","params":[],"id":0}"#),
    (Dialect::Getwork, r#"{"id":0,"method":"getblocktemplate","params":[{"capabilities":["coinbasetxn"]}]}"#),
    (Dialect::Getwork, r#"{"method":"submitblock","params":["00"],"id":1}"#),
];

/// What pools say.
const POOLS: &[(Dialect, &str)] = &[
    (
        Dialect::Stratum,
        r#"{"id":1,"result":[[["mining.set_difficulty","1"],["mining.notify","2"]],"ab",4],"error":null}"#,
    ),
    (Dialect::Stratum, r#"{"id":null,"method":"mining.notify","params":["1","2"]}"#),
    (
        Dialect::CryptoNote,
        r#"{"id":1,"jsonrpc":"2.0","result":{"id":"9","job":{"blob":"07","job_id":"3","target":"b8"},"status":"OK"}}"#,
    ),
    (
        Dialect::CryptoNote,
        r#"{"jsonrpc":"2.0","method":"job","params":{"blob":"07","job_id":"4","target":"b8"}}"#,
    ),
];

/// JSON-RPC that doesn't mine.
const HONEST: &[&str] = &[
    r#"{"jsonrpc":"2.0","method":"eth_blockNumber","params":[],"id":1}"#,
    r#"{"jsonrpc":"2.0","method":"initialize","params":{"capabilities":{}},"id":0}"#,
    r#"{"id":1,"method":"login","params":{"email":"a@example.org"}}"#,
    r#"{"id":1,"method":"submit","params":{"form":"mining.subscribe"}}"#,
    r#"{"id":1,"method":"echo","params":["mining.subscribe"]}"#,
    r#"{"jsonrpc":"2.0","method":"getblockcount","params":[],"id":1}"#,
    r#"{"id":7,"method":"job","params":{"job_id":"1","name":"build"}}"#,
    r#"{"id":7,"result":{"job":{"job_id":"1","status":"done"}}}"#,
    r#"{"id":1,"method":"login","params":{"user":"bob","password":"x"}}"#,
];

fn posted(body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: node.example.org\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn chunked(body: &str) -> String {
    let (one, other) = body.split_at(body.len() / 2);
    let chunks = format!("{:x}\r\n{one}\r\n{:X};x=y\r\n{other}\r\n0\r\n\r\n", one.len(), other.len());
    format!("POST / HTTP/1.1\r\nHost: node.example.org\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}")
}

pub(crate) fn all() -> impl Iterator<Item = Conversation> {
    let miners = MINERS.iter().flat_map(|(_, message)| {
        [client(format!("{message}\n")), client(posted(message)), client(chunked(message))]
    });
    let pools = POOLS.iter().map(|(_, message)| server(format!("{message}\n")));
    let honest = HONEST.iter().flat_map(|message| [client(message), client(posted(message))]);
    miners.chain(pools).chain(honest)
}

fn dialect(conversation: &Conversation) -> Option<Dialect> {
    let identity = conversation.identity();
    let dialect = identity.details.stratum.as_ref().map(|stratum| stratum.dialect);
    assert_eq!(dialect.is_some(), identity.protocol == Protocol::Stratum, "{identity:#?}");
    dialect
}

#[test]
fn every_dialect_is_named_as_a_line_and_over_http() {
    for (expected, message) in MINERS {
        for way in [format!("{message}\n"), (*message).to_owned(), posted(message), chunked(message)] {
            assert_eq!(dialect(&client(&way)), Some(*expected), "{way}");
        }
    }
    for (expected, message) in POOLS {
        assert_eq!(dialect(&server(message)), Some(*expected), "{message}");
    }
}

#[test]
fn other_json_rpc_is_not_mining() {
    for message in HONEST {
        assert_eq!(client(message).protocols(), [Protocol::JsonRpc], "{message}");
        assert_eq!(client(posted(message)).protocols(), [Protocol::Http], "{message}");
    }
}

#[test]
fn a_later_message_that_mines_is_seen() {
    let harmless = HONEST.join("\n").repeat(100);
    assert!(harmless.len() > 2 * 16 * 1024);
    let conversation = client(&harmless).client(MINERS[0].1);
    assert_eq!(conversation.protocols(), [Protocol::Stratum]);
    let get = "GET / HTTP/1.1\r\nHost: node.example.org\r\n\r\n";
    let later =
        client(get).server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").client(posted(MINERS[11].1));
    assert_eq!(later.protocols(), [Protocol::Stratum]);
}

#[test]
fn a_pool_that_speaks_first_or_names_itself_is_enough() {
    let conversation = client(HONEST[0]).server(POOLS[1].1);
    assert_eq!(conversation.protocols(), [Protocol::Stratum]);
}

#[test]
fn who_mines_with_what_is_told() {
    let identity = client(MINERS[14].1).identity();
    let stratum = identity.details.stratum.as_ref().unwrap();
    assert_eq!(stratum.login.as_ref().unwrap().as_bytes(), b"wallet");
    assert_eq!(stratum.agent.as_ref().unwrap().as_bytes(), b"anything/1");
    assert_eq!(identity.confidence, Confidence::Certain);
}

#[test]
fn inside_a_websocket_or_a_proxy_it_shows() {
    let message = MINERS[14].1.as_bytes();
    let mask = [1, 2, 3, 4];
    let masked: Vec<u8> = message.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
    let length = u16::try_from(message.len()).unwrap().to_be_bytes();
    let frame = [&[0x81, 0x80 | 126][..], &length, &mask, &masked].concat();
    let inside = client("GET / HTTP/1.1\r\nHost: a.b\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        .server("HTTP/1.1 101 Switching Protocols\r\n\r\n")
        .client(frame);
    assert_eq!(inside.protocols(), [Protocol::Websocket, Protocol::Stratum]);
    let proxied =
        client([5, 1, 0]).server([5, 0]).client([&[5, 1, 0, 1, 127, 0, 0, 1, 0x0d, 0x05], message].concat());
    assert_eq!(proxied.protocols(), [Protocol::Socks5, Protocol::Stratum]);
}

#[test]
fn json_that_is_not_well_formed_still_shows() {
    for broken in
        ["{\"method\":\"mining.subscribe\",\"id\":01}", "{\"x\":\"\\ud800\",\"method\":\"mining.subscribe\"}"]
    {
        assert_eq!(dialect(&client(broken)), Some(Dialect::Stratum), "{broken}");
    }
    assert_eq!(client("[".repeat(500) + &"]".repeat(500)).protocols(), [Protocol::Unknown]);
}
