//! A line parted into words, as a shell does it; and the few flags of curl that runbooks use.

/// The words of a line. Single and double quotes hold together what stands between them.
pub fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for letter in line.chars() {
        match (letter, quote) {
            (letter, Some(open)) if letter == open => quote = None,
            ('\'' | '"', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (' ', None) => words.extend(word.take()),
            (letter, _) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

/// A request as curl would send it.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST`.
    pub method: String,
    /// Where to.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// What is sent.
    pub body: Option<String>,
}

impl Request {
    /// Reads the words behind `curl`.
    ///
    /// # Errors
    /// A flag that is not known here, or no address.
    pub fn read(words: &[String]) -> Result<Request, String> {
        let mut request =
            Request { method: String::new(), url: String::new(), headers: Vec::new(), body: None };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().cloned().ok_or_else(|| format!("nothing stands behind {word}"));
            match word.as_str() {
                "-X" => request.method = value()?,
                "-d" => request.body = Some(value()?),
                "-H" => {
                    let header = value()?;
                    let parts = header.split_once(": ").ok_or_else(|| format!("{header} is no header"))?;
                    request.headers.push((parts.0.to_owned(), parts.1.to_owned()));
                }
                flag if flag.starts_with('-') => return Err(format!("curl's {flag} is not known here")),
                url => url.clone_into(&mut request.url),
            }
        }
        if request.url.is_empty() {
            return Err("no address".into());
        }
        if request.method.is_empty() {
            request.method = if request.body.is_some() { "POST".into() } else { "GET".into() };
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hold_words_together() {
        let line = r#"makegood "InventoryService.confirm('res_1')" --reason 'she called' -d '{"a": ""}' ''"#;
        let parted = [
            "makegood",
            "InventoryService.confirm('res_1')",
            "--reason",
            "she called",
            "-d",
            r#"{"a": ""}"#,
            "",
        ];
        assert_eq!(words(line), parted);
    }

    #[test]
    fn a_call_of_the_seeds_is_read_as_it_stands() {
        let line = r#"-X POST http://shop/webhooks/stripe -H "stripe-signature: test" -d '{"type":"ping"}'"#;
        let request = Request::read(&words(line)).unwrap();
        assert_eq!((request.method.as_str(), request.url.as_str()), ("POST", "http://shop/webhooks/stripe"));
        assert_eq!(request.headers, [("stripe-signature".to_owned(), "test".to_owned())]);
        assert_eq!(request.body.as_deref(), Some(r#"{"type":"ping"}"#));
        assert_eq!(Request::read(&words("http://shop/health")).unwrap().method, "GET");
        for wrong in ["-X POST", "--insecure http://x", "http://x -H nothing", "http://x -d"] {
            assert!(Request::read(&words(wrong)).is_err(), "{wrong}");
        }
    }
}
