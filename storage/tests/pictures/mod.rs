//! Small files of every kind that is taken as a picture of the shop, made by hand.

#![allow(dead_code, reason = "each test file uses a part of it")]

fn crc(bytes: &[u8]) -> u32 {
    let mut sum = !0_u32;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 };
        }
    }
    !sum
}

fn chunk(name: &[u8], data: &[u8]) -> Vec<u8> {
    let mut inside = name.to_vec();
    inside.extend(data);
    let mut all = (data.len() as u32).to_be_bytes().to_vec();
    all.extend(&inside);
    all.extend(crc(&inside).to_be_bytes());
    all
}

/// Its head is right; nobody looks at its pixels.
pub fn png(width: u32, height: u32) -> Vec<u8> {
    let mut head = width.to_be_bytes().to_vec();
    head.extend(height.to_be_bytes());
    head.extend([8, 2, 0, 0, 0]);
    let mut all = b"\x89PNG\r\n\x1a\n".to_vec();
    all.extend(chunk(b"IHDR", &head));
    all.extend(chunk(b"IDAT", b"\x78\x9c\x03\0\0\0\0\x01"));
    all.extend(chunk(b"IEND", b""));
    all
}

pub fn jpeg(width: u16, height: u16) -> Vec<u8> {
    let mut all = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0".to_vec();
    all.extend(b"\xff\xc0\0\x0b\x08");
    all.extend(height.to_be_bytes());
    all.extend(width.to_be_bytes());
    all.extend(b"\x01\x01\x11\0\xff\xda\0\x08\x01\x01\0\0\x3f\0\x7f\xff\xd9");
    all
}

pub fn gif(width: u16, height: u16) -> Vec<u8> {
    gif_with_frame((width, height), (1, 1))
}

/// Colours of the whole, a comment, and a frame with colours of its own.
pub fn gif_with_frame(screen: (u16, u16), frame: (u16, u16)) -> Vec<u8> {
    let mut all = b"GIF89a".to_vec();
    all.extend(screen.0.to_le_bytes());
    all.extend(screen.1.to_le_bytes());
    all.extend(b"\x80\0\0\0\0\0\xff\xff\xff!\xfe\x02hi\0,\0\0\0\0");
    all.extend(frame.0.to_le_bytes());
    all.extend(frame.1.to_le_bytes());
    all.extend(b"\x80\0\0\0\xff\xff\xff\x02\x02D\x01\0;");
    all
}

pub fn webp(width: u16, height: u16) -> Vec<u8> {
    let mut frame = b"\x10\0\0\x9d\x01\x2a".to_vec();
    frame.extend(width.to_le_bytes());
    frame.extend(height.to_le_bytes());
    frame.extend([0; 6]);
    let mut inside = b"WEBPVP8 ".to_vec();
    inside.extend((frame.len() as u32).to_le_bytes());
    inside.extend(frame);
    let mut all = b"RIFF".to_vec();
    all.extend((inside.len() as u32).to_le_bytes());
    all.extend(inside);
    all
}

fn a_box(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut all = (content.len() as u32 + 8).to_be_bytes().to_vec();
    all.extend(name);
    all.extend(content);
    all
}

pub fn avif(width: u32, height: u32) -> Vec<u8> {
    avif_of(&[(width, height)])
}

/// It names all these sizes.
pub fn avif_of(sizes: &[(u32, u32)]) -> Vec<u8> {
    let named = sizes.iter().flat_map(|(width, height)| {
        a_box(b"ispe", &[[0; 4], width.to_be_bytes(), height.to_be_bytes()].concat())
    });
    let properties = a_box(b"iprp", &a_box(b"ipco", &named.collect::<Vec<_>>()));
    let mut meta = vec![0; 4];
    meta.extend(properties);
    let mut all = a_box(b"ftyp", b"avif\0\0\0\0avifmif1");
    all.extend(a_box(b"meta", &meta));
    all.extend(a_box(b"mdat", b"frame"));
    all
}

pub fn mp4() -> Vec<u8> {
    let mut all = a_box(b"ftyp", b"isom\0\0\x02\0isommp41");
    all.extend(a_box(b"mdat", &[0; 64]));
    all.extend(a_box(b"moov", &a_box(b"mvhd", &[0; 100])));
    all
}

pub fn pdf() -> Vec<u8> {
    b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n".to_vec()
}
