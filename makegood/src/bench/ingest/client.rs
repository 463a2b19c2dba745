//! Sends requests over connections that stay open. It reads no more of an answer than it must, because what it costs is
//! taken from both servers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use futures_util::future::try_join_all;
use kernel::{Error, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::super::place::bug;

/// Sends all `requests`, over so many connections, from a thread of its own; gives the seconds from the first byte to the
/// last answer.
///
/// # Errors
/// When one answer is anything but 200.
pub async fn send(address: SocketAddr, requests: Vec<Vec<u8>>, connections: usize) -> Result<f64> {
    let sending = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(bug)?;
        runtime.block_on(send_all(address, requests, connections))
    });
    sending.await.map_err(bug)?
}

async fn send_all(address: SocketAddr, requests: Vec<Vec<u8>>, connections: usize) -> Result<f64> {
    let (requests, next) = (Arc::new(requests), Arc::new(AtomicUsize::new(0)));
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        let stream = TcpStream::connect(address).await.map_err(bug)?;
        stream.set_nodelay(true).map_err(bug)?;
        open.push(stream);
    }
    let began = Instant::now();
    let senders =
        open.into_iter().map(|stream| tokio::spawn(send_some(stream, requests.clone(), next.clone())));
    for sender in try_join_all(senders).await.map_err(bug)? {
        sender?;
    }
    Ok(began.elapsed().as_secs_f64())
}

async fn send_some(mut stream: TcpStream, requests: Arc<Vec<Vec<u8>>>, next: Arc<AtomicUsize>) -> Result<()> {
    let mut answer = Vec::with_capacity(2048);
    while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
        stream.write_all(request).await.map_err(bug)?;
        read_answer(&mut stream, &mut answer).await?;
    }
    Ok(())
}

async fn read_answer(stream: &mut TcpStream, answer: &mut Vec<u8>) -> Result<()> {
    answer.clear();
    loop {
        if stream.read_buf(answer).await.map_err(bug)? == 0 {
            return Err(Error::bug("the server hung up"));
        }
        if let Some(end) = length(answer) {
            return match answer.starts_with(b"HTTP/1.1 200") && answer.len() == end {
                true => Ok(()),
                false => Err(Error::bug(format!("the answer was {}", String::from_utf8_lossy(answer)))),
            };
        }
    }
}

/// How long the whole answer is; none while more must come.
fn length(answer: &[u8]) -> Option<usize> {
    let head = answer.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&answer[..head]).ok()?;
    let body = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    })?;
    (answer.len() >= head + body).then_some(head + body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_where_its_length_says() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        assert_eq!(length(answer), Some(answer.len()));
        assert_eq!(length(&answer[..answer.len() - 1]), None);
        assert_eq!(length(b"HTTP/1.1 200 OK\r\ncontent-le"), None);
    }
}
