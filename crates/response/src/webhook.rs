//! Posting findings to a web hook, signed.
//!
//! `Aurelian-Signature: t=SECONDS,v1=HEX`, where `HEX` is the HMAC-SHA-256 of `SECONDS.BODY` under the key in the policy's file. A receiver
//! compares it, and refuses what is too old: nobody else can make one, and none can be played again later.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use policy::Webhook;
use sha2::Sha256;

/// How long one attempt may take, how many there are, and how long one waits after the first; each time it is twice as long.
const PATIENCE: Duration = Duration::from_secs(5);
const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(500);

/// A web hook.
#[derive(Debug)]
pub(crate) struct Hook {
    url: String,
    secret: PathBuf,
    agent: ureq::Agent,
}

impl Hook {
    pub(crate) fn new(webhook: &Webhook) -> Self {
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .max_redirects(0)
            .user_agent(concat!("aurelian/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { url: webhook.url().to_owned(), secret: webhook.secret().to_owned(), agent: agent.into() }
    }

    /// Posts a body; again, if it could work the next time.
    pub(crate) fn post(&self, body: &[u8]) -> Result<(), String> {
        let secret = fs::read(&self.secret);
        let secret = secret.map_err(|error| format!("cannot read {}: {error}", self.secret.display()))?;
        let secret = secret.trim_ascii();
        if secret.is_empty() {
            return Err(format!("{} is empty: no key to sign with", self.secret.display()));
        }
        let mut pause = PAUSE;
        for attempt in 1.. {
            match self.attempt(secret, body) {
                Ok(()) => return Ok(()),
                Err(Failure::Final(why)) => return Err(why),
                Err(Failure::Passing(why)) if attempt == ATTEMPTS => {
                    return Err(format!("{why}, {ATTEMPTS} times"));
                }
                Err(Failure::Passing(_)) => thread::sleep(pause),
            }
            pause *= 2;
        }
        Ok(())
    }

    fn attempt(&self, secret: &[u8], body: &[u8]) -> Result<(), Failure> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let request = self.agent.post(&self.url).content_type("application/json");
        let request = request.header("Aurelian-Signature", signature(secret, now, body));
        match request.send(body) {
            Ok(_) => Ok(()),
            Err(ureq::Error::StatusCode(status)) if status < 500 && status != 429 && status != 408 => {
                Err(Failure::Final(format!("{} answers {status}", self.url)))
            }
            Err(error) => Err(Failure::Passing(format!("cannot post to {}: {error}", self.url))),
        }
    }
}

/// Why a post did not work.
enum Failure {
    /// It may work the next time.
    Passing(String),
    /// It won't.
    Final(String),
}

fn signature(secret: &[u8], time: u64, body: &[u8]) -> String {
    use std::fmt::Write;
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { return String::new() };
    mac.update(format!("{time}.").as_bytes());
    mac.update(body);
    let mut text = format!("t={time},v1=");
    for byte in mac.finalize().into_bytes() {
        // Writing to a `String` has nothing to fail at.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use policy::Policy;

    use super::*;

    /// A server that answers with these, one for each connection, and gives what it was sent.
    fn serve(answers: &'static [&'static str]) -> (u16, thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = thread::spawn(move || {
            let take = |answer: &&str| {
                let (mut stream, _) = listener.accept().unwrap();
                let (mut request, mut chunk) = (Vec::new(), [0; 4096]);
                while !request.ends_with(b"}") {
                    let count = stream.read(&mut chunk).unwrap();
                    request.extend_from_slice(&chunk[..count]);
                }
                stream.write_all(answer.as_bytes()).unwrap();
                String::from_utf8(request).unwrap()
            };
            answers.iter().map(take).collect()
        });
        (port, thread)
    }

    fn hook(port: u16, secret: &str) -> (tempfile::TempDir, Hook) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, secret).unwrap();
        let text = format!(
            "version: 1\nresponse: {{ webhook: {{ url: \"http://127.0.0.1:{port}/hook\", secret: {} }} }}",
            path.display()
        );
        let policy = Policy::parse(&text, "test").unwrap();
        (folder, Hook::new(policy.response().webhook().unwrap()))
    }

    const OK: &str = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
    const BUSY: &str = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    const NO: &str = "HTTP/1.1 403 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

    #[test]
    fn what_is_posted_is_signed_and_posted_again_while_it_may_work() {
        let (port, server) = serve(&[BUSY, OK]);
        let (_folder, hook) = hook(port, "secret\n");
        assert_eq!(hook.post(b"{\"a\":1}"), Ok(()));
        let requests = server.join().unwrap();
        let request = requests[1].to_ascii_lowercase();
        let signed = request.lines().find_map(|line| line.strip_prefix("aurelian-signature: ")).unwrap();
        let time = signed.strip_prefix("t=").unwrap().split(',').next().unwrap().parse().unwrap();
        assert_eq!(signed, signature(b"secret", time, b"{\"a\":1}"));
        assert!(request.starts_with("post /hook ") && request.ends_with("{\"a\":1}"), "{request}");
    }

    #[test]
    fn what_will_never_work_is_not_tried_again() {
        let (port, server) = serve(&[NO]);
        let (_folder, hook) = hook(port, "secret");
        assert!(hook.post(b"{}").unwrap_err().ends_with("answers 403"));
        assert_eq!(server.join().unwrap().len(), 1);
        let (_folder, hook) = self::hook(port, " \n");
        assert!(hook.post(b"{}").unwrap_err().contains("no key"));
    }

    /// RFC 4231, test case 2, with our time before it.
    #[test]
    fn a_signature_is_hmac_sha_256() {
        let signed = signature(b"Jefe", 7, b"what do ya want for nothing?");
        assert!(signed.starts_with("t=7,v1=") && signed.len() == 7 + 64);
        assert_ne!(signed, signature(b"Jefe", 8, b"what do ya want for nothing?"));
    }
}
