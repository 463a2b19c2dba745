//! What a file is, by its own bytes. This file decides; plain values only. Nothing is decoded, so a picture that would
//! unfold into gigabytes costs no more than its head.

use kernel::{Error, Refusal, Result};

/// What may be uploaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
    /// GIF.
    Gif,
    /// WebP.
    Webp,
    /// AVIF.
    Avif,
    /// PDF.
    Pdf,
    /// MP4.
    Mp4,
}

/// All of them.
pub const KINDS: [Kind; 7] = [Kind::Png, Kind::Jpeg, Kind::Gif, Kind::Webp, Kind::Avif, Kind::Pdf, Kind::Mp4];

/// A file that may be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// What it is.
    pub kind: Kind,
    /// Width and height in pixels, where it is a picture.
    pub pixels: Option<(u32, u32)>,
}

/// No side is longer.
pub const LONGEST_SIDE: u32 = 16_384;
/// And no picture has more pixels: at four bytes each that is what a browser can still unfold.
pub const MOST_PIXELS: u64 = 50_000_000;

impl Kind {
    /// Its media type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Kind::Png => "image/png",
            Kind::Jpeg => "image/jpeg",
            Kind::Gif => "image/gif",
            Kind::Webp => "image/webp",
            Kind::Avif => "image/avif",
            Kind::Pdf => "application/pdf",
            Kind::Mp4 => "video/mp4",
        }
    }

    /// How names of such files end.
    pub const fn ending(self) -> &'static str {
        match self {
            Kind::Png => "png",
            Kind::Jpeg => "jpg",
            Kind::Gif => "gif",
            Kind::Webp => "webp",
            Kind::Avif => "avif",
            Kind::Pdf => "pdf",
            Kind::Mp4 => "mp4",
        }
    }
}

/// What `bytes` are, where that is what they are said to be.
///
/// # Errors
/// `media_type_refused` for anything else, `media_too_large` for too many pixels.
pub fn judge(bytes: &[u8], declared: Option<&str>) -> Result<Picture> {
    let known = "expected a PNG, JPEG, GIF, WebP, AVIF, PDF or MP4 file";
    let refuse = |why: String| Error::Refused(Refusal::new("media_type_refused", why));
    let Some(kind) = begins_like(bytes) else {
        return Err(refuse(format!("the file begins like none that is taken; {known}")));
    };
    if let Some(declared) = declared.and_then(claim)
        && declared != kind.content_type()
    {
        let (declared, is): (String, _) = (declared.chars().take(80).collect(), kind.content_type());
        return Err(refuse(format!(
            "the file is said to be {}, and begins like {is}",
            declared.escape_debug()
        )));
    }
    let sizes = match kind {
        Kind::Png => png(bytes).map(|size| vec![size]),
        Kind::Jpeg => jpeg(bytes).map(|size| vec![size]),
        Kind::Gif => gif(bytes),
        Kind::Webp => webp(bytes).map(|size| vec![size]),
        Kind::Avif => avif(bytes),
        Kind::Pdf => pdf(bytes).map(|()| Vec::new()),
        Kind::Mp4 => mp4(bytes).map(|()| Vec::new()),
    };
    let sizes = sizes.ok_or_else(|| {
        refuse(format!(
            "the file begins like {} and does not go on like one, or is cut off",
            kind.content_type()
        ))
    })?;
    let pixels = sizes.first().copied();
    if pixels.is_some_and(|(width, height)| width == 0 || height == 0) {
        return Err(refuse("the picture has no pixels".into()));
    }
    // A browser makes room for each size that the file names, whichever it shows.
    if let Some((width, height)) = sizes.into_iter().find(|size| is_too_large(*size)) {
        let why = format!(
            "the picture has {width} × {height} pixels; taken are {LONGEST_SIDE} on a side and {MOST_PIXELS} in all"
        );
        return Err(Refusal::new("media_too_large", why).into());
    }
    Ok(Picture { kind, pixels })
}

fn is_too_large((width, height): (u32, u32)) -> bool {
    width.max(height) > LONGEST_SIDE || u64::from(width) * u64::from(height) > MOST_PIXELS
}

/// What the sender says that it is; a sender that does not know says nothing.
fn claim(declared: &str) -> Option<String> {
    let kind = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match kind.as_str() {
        "" | "application/octet-stream" => None,
        "image/jpg" | "image/pjpeg" => Some("image/jpeg".to_owned()),
        _ => Some(kind),
    }
}

fn begins_like(bytes: &[u8]) -> Option<Kind> {
    let at = |from: usize, what: &[u8]| bytes.get(from..from + what.len()) == Some(what);
    let brand = || bytes.get(8..12).unwrap_or_default();
    match () {
        () if at(0, b"\x89PNG\r\n\x1a\n") => Some(Kind::Png),
        () if at(0, b"\xff\xd8\xff") => Some(Kind::Jpeg),
        () if at(0, b"GIF87a") || at(0, b"GIF89a") => Some(Kind::Gif),
        () if at(0, b"RIFF") && at(8, b"WEBP") => Some(Kind::Webp),
        () if at(0, b"%PDF-1.") || at(0, b"%PDF-2.") => Some(Kind::Pdf),
        () if at(4, b"ftyp") && [b"avif", b"avis"].contains(&&brand().try_into().unwrap_or([0; 4])) => {
            Some(Kind::Avif)
        }
        () if at(4, b"ftyp") && is_mp4(brand()) => Some(Kind::Mp4),
        () => None,
    }
}

fn is_mp4(brand: &[u8]) -> bool {
    [&b"isom"[..], b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"M4V ", b"dash"]
        .contains(&brand)
}

fn number(bytes: &[u8], at: usize, length: usize) -> Option<u32> {
    bytes
        .get(at..at.checked_add(length)?)
        .map(|all| all.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
}

/// Its first chunk is IHDR with a sum that is right, its last one IEND.
fn png(bytes: &[u8]) -> Option<(u32, u32)> {
    let first = bytes.get(12..29)?;
    let ends = bytes.ends_with(b"\0\0\0\0IEND\xae\x42\x60\x82");
    let fits =
        number(bytes, 8, 4)? == 13 && first.starts_with(b"IHDR") && number(bytes, 29, 4)? == crc(first);
    (fits && ends).then_some((number(bytes, 16, 4)?, number(bytes, 20, 4)?))
}

/// The sum of PNG's chunks (ISO 3309).
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| sum >> 1 ^ if sum & 1 == 1 { 0xedb8_8320 } else { 0 })
    })
}

/// Segments up to the frame's head, which knows the size, and an end.
fn jpeg(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut at = 2;
    loop {
        while *bytes.get(at)? == 0xff && *bytes.get(at + 1)? == 0xff {
            at += 1;
        }
        if bytes[at] != 0xff {
            return None;
        }
        let (marker, length) = (*bytes.get(at + 1)?, number(bytes, at + 2, 2)? as usize);
        match marker {
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                let size = (number(bytes, at + 7, 2)?, number(bytes, at + 5, 2)?);
                // Cameras write things behind the end, but there is one.
                let ends = bytes.get(at..)?.windows(2).any(|two| two == [0xff, 0xd9]);
                return ends.then_some(size);
            }
            // Data before a frame's head, or an end: no picture.
            0x01 | 0xd0..=0xda => return None,
            _ if length < 2 => return None,
            _ => at = at.checked_add(2 + length)?,
        }
    }
}

/// Its screen, and each of its frames, up to an end.
fn gif(bytes: &[u8]) -> Option<Vec<(u32, u32)>> {
    let little = |at: usize| Some(u32::from(*bytes.get(at)?) | u32::from(*bytes.get(at + 1)?) << 8);
    let colours = |at: usize| {
        let flags = *bytes.get(at)?;
        Some(if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) })
    };
    let mut sizes = vec![(little(6)?, little(8)?)];
    let mut at = 13 + colours(10)?;
    loop {
        at = match bytes.get(at)? {
            b'!' => behind_blocks(bytes, at + 2)?,
            b',' => {
                sizes.push((little(at + 5)?, little(at + 7)?));
                behind_blocks(bytes, at + 11 + colours(at + 9)?)?
            }
            b';' if bytes.ends_with(b";") => return Some(sizes),
            _ => return None,
        };
    }
}

/// Where a GIF goes on behind the blocks that begin here: each says how long it is, and the last one that it is empty.
fn behind_blocks(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match usize::from(*bytes.get(at)?) {
            0 => return Some(at + 1),
            length => at += 1 + length,
        }
    }
}

fn webp(bytes: &[u8]) -> Option<(u32, u32)> {
    let little = |at: usize, length: usize| {
        bytes
            .get(at..at + length)
            .map(|all| all.iter().rev().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte)))
    };
    let said = little(4, 4)? as usize + 8;
    if said != bytes.len() && said + said % 2 != bytes.len() {
        return None;
    }
    match bytes.get(12..16)? {
        b"VP8X" => Some((little(24, 3)? + 1, little(27, 3)? + 1)),
        b"VP8 " if bytes.get(23..26)? == b"\x9d\x01\x2a" => {
            Some((little(26, 2)? & 0x3fff, little(28, 2)? & 0x3fff))
        }
        b"VP8L" if *bytes.get(20)? == 0x2f => {
            let bits = little(21, 4)?;
            Some(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1))
        }
        _ => None,
    }
}

/// The boxes of a file or of a box (ISO/IEC 14496-12): each one's name and content. `None` when one leads out.
fn boxes(mut bytes: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let (short, name) = (number(bytes, 0, 4)? as usize, bytes.get(4..8)?);
        let (head, length) = match short {
            0 => (8, bytes.len()),
            1 => {
                let (high, low) = (number(bytes, 8, 4)?, number(bytes, 12, 4)?);
                (16, usize::try_from(u64::from(high) << 32 | u64::from(low)).ok()?)
            }
            short => (8, short),
        };
        all.push((name, bytes.get(head..length)?));
        bytes = &bytes[length..];
        if all.len() > 1_000 {
            return None;
        }
    }
    Some(all)
}

fn inside<'a>(bytes: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    boxes(bytes)?.into_iter().find(|(known, _)| *known == name).map(|(_, content)| content)
}

/// The pictures that its properties name, the largest first.
fn avif(bytes: &[u8]) -> Option<Vec<(u32, u32)>> {
    let properties = inside(inside(inside(bytes, b"meta")?.get(4..)?, b"iprp")?, b"ipco")?;
    let named = boxes(properties)?.into_iter().filter(|(name, _)| *name == b"ispe");
    let mut sizes: Vec<(u32, u32)> =
        named.map(|(_, size)| Some((number(size, 4, 4)?, number(size, 8, 4)?))).collect::<Option<_>>()?;
    sizes.sort_by_key(|(width, height)| std::cmp::Reverse(u64::from(*width) * u64::from(*height)));
    (!sizes.is_empty()).then_some(sizes)
}

/// It knows of what it is made.
fn mp4(bytes: &[u8]) -> Option<()> {
    inside(bytes, b"moov").filter(|content| !content.is_empty()).map(drop)
}

fn pdf(bytes: &[u8]) -> Option<()> {
    let tail = &bytes[bytes.len().saturating_sub(1_024)..];
    tail.windows(5).any(|five| five == b"%%EOF").then_some(())
}
