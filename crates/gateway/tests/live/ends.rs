//! Relaying, and every way in which a flow ends.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use event::fact::{Fact, FlowPhase, Limit, LimitAction};
use rustix::io::Errno;
use rustix::net::sockopt;

use crate::site::{Server, Site, connects, flows, is_reset, limits, policy, read_all, reset};

/// A policy by which anything may be spoken with one server.
fn anything(port: u16, limits: &str) -> String {
    format!(
        "  allow: [{{ host: a.example, ports: [{port}], protocol: tcp }}]\n  hosts: {{ a.example: 127.0.0.1 }}\n  \
         limits: {{ {limits} }}\n"
    )
}

/// Bytes that don't repeat soon.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..count).map(next).collect()
}

#[test]
fn much_goes_both_ways_and_arrives_whole() {
    const COUNT: usize = 32 << 20;
    let server = Server::new(|stream| {
        let mut back = stream.try_clone()?;
        let writer = thread::spawn(move || {
            back.write_all(&noise(COUNT)).and_then(|()| back.shutdown(Shutdown::Write))
        });
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        assert!(bytes == noise(COUNT), "{} bytes came", bytes.len());
        writer.join().unwrap()
    });
    let mut site = Site::new(&anything(server.port, "flow_bytes_out: 1GiB"));
    let mut stream = site.connect("a.example", server.port).unwrap();
    let mut out = stream.try_clone().unwrap();
    let writer = thread::spawn(move || {
        out.write_all(&noise(COUNT)).unwrap();
        out.shutdown(Shutdown::Write).unwrap();
    });
    let (bytes, ended) = read_all(&mut stream);
    writer.join().unwrap();
    assert!(ended.is_ok() && bytes == noise(COUNT), "{} bytes came back", bytes.len());
    drop(stream);
    let closed = site.closed();
    assert_eq!(closed.ended.as_deref(), Some("closed"), "{closed:#?}");
    let shape = &closed.shape;
    assert_eq!((shape.bytes.client, shape.bytes.server), (COUNT as u64, COUNT as u64));
    assert_eq!(connects(&site.end()).len(), 1);
}

#[test]
fn a_side_that_has_said_its_last_still_hears_the_other() {
    let server = Server::new(|stream| {
        let mut question = Vec::new();
        stream.read_to_end(&mut question)?;
        thread::sleep(Duration::from_millis(100));
        stream.write_all(b"an answer to the whole")
    });
    let site = Site::new(&anything(server.port, ""));
    let mut stream = site.connect("a.example", server.port).unwrap();
    stream.write_all(b"question").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let (answer, ended) = read_all(&mut stream);
    assert!(ended.is_ok() && answer == b"an answer to the whole");
}

#[test]
fn a_reset_of_one_side_is_one_of_the_other() {
    let server = Server::new(|stream| {
        stream.write_all(b"x")?;
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        reset(stream.try_clone()?);
        stream.shutdown(Shutdown::Both)?;
        Err(std::io::ErrorKind::Other.into())
    });
    let site = Site::new(&anything(server.port, ""));
    let mut stream = site.connect("a.example", server.port).unwrap();
    stream.read_exact(&mut [0]).unwrap();
    // The other side of it: the client resets.
    reset(stream);
    let closed = site.closed();
    assert_eq!(closed.ended.as_deref(), Some("client-reset"), "{closed:#?}");
}

#[test]
fn who_reads_slowly_slows_who_writes() {
    let server = Server::new(|stream| {
        thread::sleep(Duration::from_secs(1));
        stream.write_all(b"now")
    });
    let site = Site::new(&anything(server.port, "flow_bytes_out: 1GiB"));
    let mut stream = site.connect("a.example", server.port).unwrap();
    stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut written = 0;
    let chunk = noise(1 << 20);
    // The server reads nothing yet: what fits in between fits in the kernel's buffers.
    while let Ok(count) = stream.write(&chunk) {
        written += count;
        assert!(written < 64 << 20, "{written} bytes went where nobody read");
    }
    stream.set_write_timeout(None).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    server.wait_for_bytes(written);
}

#[test]
fn a_flow_sends_as_much_as_it_may_and_not_a_byte_more() {
    let server = Server::silent();
    let mut site = Site::new(&anything(server.port, "flow_bytes_out: 100KiB"));
    let mut stream = site.connect("a.example", server.port).unwrap();
    let sent = noise(100 << 10);
    stream.write_all(&sent).unwrap();
    server.wait_for_bytes(sent.len());
    let _ = stream.write_all(b"one too many");
    let closed = site.closed();
    assert_eq!(closed.ended.as_deref(), Some("limit"), "{closed:#?}");
    thread::sleep(Duration::from_millis(50));
    assert!(server.bytes() == sent, "{} bytes arrived", server.bytes().len());
    let hit = limits(&site.end());
    assert_eq!(
        (hit[0].limit, hit[0].bound, hit[0].action),
        (Limit::FlowBytesOut, 100 << 10, LimitAction::Cut)
    );
}

#[test]
fn a_run_sends_as_much_as_it_may_in_all_its_flows() {
    let server = Server::silent();
    let mut site = Site::new(&anything(server.port, "flow_bytes_out: 100KiB, bytes_out: 150KiB"));
    let sent = noise(100 << 10);
    for count in [100, 150] {
        let mut stream = site.connect("a.example", server.port).unwrap();
        let _ = stream.write_all(&sent);
        server.wait_for_bytes(count << 10);
    }
    site.wait_for(|told| limits(told).pop());
    thread::sleep(Duration::from_millis(50));
    assert_eq!(server.bytes().len(), 150 << 10);
    let hit = limits(&site.end());
    assert_eq!((hit[0].limit, hit[0].bound, hit[0].action), (Limit::BytesOut, 150 << 10, LimitAction::Cut));
}

/// Some of these flows have more in their hands than the kernel takes while nobody reads. It leaves once somebody does, so
/// that what begins in between may not send as if it had not been taken.
#[test]
fn what_waits_to_be_read_counts_as_sent() {
    let is_read = Arc::new(AtomicBool::new(false));
    let arrived = Arc::new(AtomicUsize::new(0));
    let (may_read, counter) = (Arc::clone(&is_read), Arc::clone(&arrived));
    let server = Server::new(move |stream| {
        sockopt::set_socket_recv_buffer_size(&*stream, 64 << 10)?;
        while !may_read.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(5));
        }
        let mut bytes = vec![0; 64 << 10];
        while let Ok(length @ 1..) = stream.read(&mut bytes) {
            counter.fetch_add(length, Ordering::SeqCst);
        }
        Ok(())
    });
    let last = 64 << 10;
    let sizes = (0..13).map(|flow| (3 << 20) + (flow << 17)).chain([last]);
    let may = sizes.clone().sum::<usize>() - (last >> 1);
    let limit = format!("flow_bytes_out: {0}KiB, bytes_out: {0}KiB", may >> 10);
    let site = Site::new(&anything(server.port, &limit));
    let bytes = Arc::new(noise(8 << 20));
    let write = |size| {
        let bytes = Arc::clone(&bytes);
        let mut stream = site.connect("a.example", server.port).unwrap();
        if size == last {
            thread::sleep(Duration::from_millis(500));
        }
        thread::spawn(move || {
            let _ = stream.write_all(&bytes[..size]);
            let _ = stream.shutdown(Shutdown::Write);
            drop(read_all(&mut stream));
        })
    };
    let writers: Vec<_> = sizes.map(write).collect();
    thread::sleep(Duration::from_millis(300));
    is_read.store(true, Ordering::SeqCst);
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    let arrived = arrived.load(Ordering::SeqCst);
    assert!(arrived <= may, "{arrived} bytes arrived of {may}");
    let hit = site.wait_for(|told| limits(told).pop());
    assert_eq!((hit.limit, hit.action), (Limit::BytesOut, LimitAction::Cut));
}

#[test]
fn a_flow_that_is_silent_for_too_long_ends() {
    let server = Server::silent();
    let site = Site::new(&anything(server.port, "idle: 1s"));
    let mut stream = site.connect("a.example", server.port).unwrap();
    stream.write_all(b"hello").unwrap();
    let begun = Instant::now();
    assert!(is_reset(&mut stream));
    assert!(begun.elapsed() > Duration::from_millis(800), "{:?}", begun.elapsed());
    assert_eq!(site.closed().ended.as_deref(), Some("idle"));
}

#[test]
fn no_more_are_open_at_once_and_no_more_begin_than_may() {
    let server = Server::silent();
    let mut site = Site::new(&anything(server.port, "connections: 3, new_per_second: 1000"));
    let open: Vec<_> = (0..3).map(|_| site.connect("a.example", server.port).unwrap()).collect();
    assert_eq!(site.connect("a.example", server.port).err(), Some(Errno::CONNREFUSED));
    drop(open);
    site.wait_for(|told| {
        let closed = flows(told).into_iter().filter(|flow| flow.phase == FlowPhase::Closed).count();
        (closed == 3).then_some(())
    });
    assert!(site.connect("a.example", server.port).is_ok(), "one that has ended leaves its place");
    let told = limits(&site.end());
    assert_eq!((told.len(), told[0].limit), (1, Limit::Connections));

    let mut site = Site::new(&anything(server.port, "new_per_second: 5"));
    let start = Instant::now();
    let begun = (0..50).filter(|_| site.connect("a.example", server.port).is_ok()).count();
    let most = 6.0 + 5.0 * start.elapsed().as_secs_f64();
    assert!(begun >= 5 && begun as f64 <= most, "{begun} of at most {most}");
    assert_eq!(limits(&site.end())[0].limit, Limit::NewPerSecond);
}

#[test]
fn the_end_of_the_run_ends_all_flows_and_tells_each() {
    let server = Server::silent();
    let mut site = Site::new(&anything(server.port, "new_per_second: 1000"));
    let mut open: Vec<_> = (0..40).map(|_| site.connect("a.example", server.port).unwrap()).collect();
    site.wait_for(|told| (flows(told).len() == 40).then_some(()));
    let begun = Instant::now();
    let told = site.end();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let closed: Vec<_> = flows(&told).into_iter().filter(|flow| flow.phase == FlowPhase::Closed).collect();
    assert_eq!(closed.len(), 40);
    assert!(closed.iter().all(|flow| flow.ended.as_deref() == Some("run-ended")));
    assert!(open.iter_mut().all(is_reset));
}

#[test]
fn a_response_cuts_everything_until_it_is_taken_back() {
    let server = Server::silent();
    let site = Site::new(&anything(server.port, ""));
    let mut streams: Vec<_> = (0..8).map(|_| site.connect("a.example", server.port).unwrap()).collect();
    streams.iter_mut().for_each(|stream| stream.write_all(b"one").unwrap());
    server.wait_for_bytes(24);
    assert_eq!(site.gateway.close(), Some(8));
    assert_eq!(site.gateway.close(), None, "it was so before");
    assert!(streams.iter_mut().all(is_reset));
    let closed = site.closed();
    assert_eq!(closed.ended.as_deref(), Some("response"), "{closed:#?}");
    let there = SocketAddr::new(site.resolve("a.example").unwrap(), server.port);
    assert_eq!(site.connect_to(there).err(), Some(Errno::CONNREFUSED));
    let refused = |seen: &event::Observation| matches!(&seen.fact, Fact::NetConnect(connect) if connect.reason.as_deref() == Some("closed-by-response"));
    assert_eq!(site.told().iter().filter(|seen| refused(seen)).count(), 1);
    assert_eq!((site.gateway.reopen(), site.gateway.reopen()), (Some(0), None));
    let mut stream = site.connect_to(there).unwrap();
    stream.write_all(b"two").unwrap();
    server.wait_for_bytes(27);
}

#[test]
fn a_new_policy_cuts_what_it_forbids_and_an_invalid_one_changes_nothing() {
    let server = Server::silent();
    let before = anything(server.port, "");
    let site = Site::new(&before);
    let mut stream = site.connect("a.example", server.port).unwrap();
    stream.write_all(b"one").unwrap();
    server.wait_for_bytes(3);
    assert!(site.gateway.set_policy("version: 1\nnetwork: { allow: 7 }", "new").is_err());
    assert!(site.gateway.set_policy(&policy(&before), "new").is_ok());
    stream.write_all(b"two").unwrap();
    server.wait_for_bytes(6);
    let other = before.replace("host: a.example, ports", "host: b.example, ports");
    assert!(site.gateway.set_policy(&policy(&other), "new").is_ok());
    assert!(is_reset(&mut stream));
    let closed = site.closed();
    assert_eq!(closed.ended.as_deref(), Some("policy"), "{closed:#?}");
    assert_eq!(
        site.connect_to(SocketAddr::new([198, 18, 0, 1].into(), server.port)).err(),
        Some(Errno::CONNREFUSED)
    );
    let replaced = site.told().into_iter().filter(|seen| seen.fact.kind() == "policy.replaced").count();
    assert_eq!(replaced, 3);
}

#[test]
fn who_was_not_admitted_is_reset_and_nobody_comes_in_the_place_of_another() {
    let server = Server::silent();
    let site = Site::new(&anything(server.port, ""));
    let mut stranger = TcpStream::connect(site.listener).unwrap();
    assert!(is_reset(&mut stranger));
    let told = site.wait_for(|told| told.iter().find(|seen| seen.fact.kind() == "net.refused").cloned());
    assert_eq!(told.cause, None);
    let gate = site.gate.as_ref().unwrap();
    let destination = SocketAddr::new(site.resolve("a.example").unwrap(), server.port);
    let admit = || gate.admit(Site::wanted(destination)).unwrap();
    // One that is there before it is told where it comes from is waited for.
    let first = admit();
    let early = TcpStream::connect(first.listener).unwrap();
    thread::sleep(Duration::from_millis(50));
    let source = early.local_addr().unwrap();
    assert!(gate.expect(first.ticket, source).is_ok());
    site.wait_for(|told| (connects(told).len() == 1).then_some(()));
    // Nobody is expected from an address from which somebody is.
    let (second, third) = (admit(), admit());
    let nowhere = "127.0.0.1:1".parse().unwrap();
    assert!(gate.expect(second.ticket, nowhere).is_ok());
    assert_eq!(gate.expect(third.ticket, nowhere), Err(Errno::ADDRINUSE));
    // And none under way is no excuse for a stranger.
    gate.withdraw(admit().ticket);
    assert!(is_reset(&mut TcpStream::connect(site.listener).unwrap()));
}

#[test]
fn many_flows_live_side_by_side() {
    let server = Server::new(|stream| {
        let mut byte = [0];
        while stream.read(&mut byte)? == 1 {
            stream.write_all(&byte)?;
        }
        Ok(())
    });
    let site = Site::new(&anything(server.port, "connections: 500, new_per_second: 10000"));
    let address = SocketAddr::new(site.resolve("a.example").unwrap(), server.port);
    let mut open: Vec<_> = (0..300).map(|_| site.connect_to(address).unwrap()).collect();
    for round in 0..3u8 {
        for stream in &mut open {
            stream.write_all(&[round]).unwrap();
        }
        for stream in &mut open {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            assert_eq!(byte, [round]);
        }
    }
}
