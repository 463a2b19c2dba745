//! Plays a runbook from its first line to its last.

use std::path::PathBuf;

use testkit::{Engine, TestDb};

use crate::block;
use crate::names::Names;
use crate::stage::{Stage, Way};
use crate::transcript::{self, Kind, Piece, Step};
use crate::words::{Request, words};
use crate::world::{self, Accounts};

/// Where the examples are.
pub fn examples() -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned();
    root.join("examples")
}

fn accepts() -> bool {
    std::env::var_os("ACCEPT").is_some()
}

/// Plays the runbook of an example on a fresh database of this engine. What is accepted is what SQLite prints.
pub fn play(example: &'static str, engine: Engine, way: Way) {
    if accepts() && (engine, way) != (Engine::Sqlite, Way::AtTheDatabase) {
        return;
    }
    testkit::databases::run_on(engine, shop::MIGRATIONS, |test| play_on(example, test, way));
}

async fn play_on(example: &'static str, test: TestDb, way: Way) {
    let (folder, engine) = (examples().join(example), test.engine);
    let file = folder.join("runbook.txt");
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut player = Player::new(Stage::set(test, &folder, way).await);
    let mut pieces = transcript::parse(&text);
    let wrong = player.play_all(&mut pieces).await;
    if accepts() {
        std::fs::write(&file, transcript::render(&pieces)).unwrap();
    }
    assert!(wrong.is_empty(), "{} on {engine:?} {way:?}, - expected, + printed:\n{wrong}", file.display());
}

struct Player {
    stage: Stage,
    names: Names,
    accounts: Accounts,
}

impl Player {
    fn new(stage: Stage) -> Player {
        let mut names = Names::default();
        names.set("shop", &stage.shop_url);
        names.set("stripe", &stage.stripe_url);
        names.set("token", crate::stage::ADMIN_TOKEN);
        names.set("you", stage.operator());
        Player { stage, names, accounts: Accounts::new() }
    }

    /// Does everything, up to the first step that cannot be done; gives what is not as it should be.
    async fn play_all(&mut self, pieces: &mut [Piece]) -> String {
        let mut wrong = String::new();
        for piece in pieces {
            let Piece::Step(step) = piece else { continue };
            match self.play(step).await {
                Ok(printed) => wrong.push_str(&self.compare(step, &printed)),
                Err(why) => return format!("{wrong}{}\n    {why}\n", at(step)),
            }
        }
        wrong
    }

    /// Does what a step says; gives the lines that it printed.
    async fn play(&mut self, step: &Step) -> Result<Vec<String>, String> {
        self.stage.rest().await;
        let line = self.names.filled(&step.text)?;
        let printed = match step.kind {
            Kind::World => self.world(&line).await?,
            Kind::Command => self.command(&words(&line)),
            Kind::Other => self.other(&words(&line)).await?,
        };
        Ok(printed.trim_end().lines().map(str::to_owned).collect())
    }

    async fn world(&mut self, line: &str) -> Result<String, String> {
        let news = world::happen(&mut self.stage, &mut self.accounts, line).await?;
        news.named.iter().for_each(|(name, id)| self.names.introduce(name, id));
        Ok(news.said)
    }

    /// `makegood …`, or the same by the name that an older runbook knows.
    fn command(&self, words: &[String]) -> String {
        let words = words.strip_prefix(&["php".to_owned()]).unwrap_or(words);
        // As a shell does it: what is set before the command counts for this one.
        let is_set = |word: &&String| word.split_once('=').is_some_and(|(name, _)| !name.contains('-'));
        let set = words.iter().take_while(is_set).count();
        let (settings, words) = words.split_at(set);
        let (code, seen) = self.stage.run_with(settings, &words[0], &words[1..]);
        let end = if code == 0 { String::new() } else { format!("[exit {code}]") };
        let gap = if seen.is_empty() || seen.ends_with('\n') { "" } else { "\n" };
        format!("{seen}{gap}{end}")
    }

    /// `curl …` and `grep TEXT app.log`.
    async fn other(&self, words: &[String]) -> Result<String, String> {
        match words {
            [grep, text, _] if grep == "grep" => Ok(self.logged(text)),
            [curl, request @ ..] if curl == "curl" => self.send(Request::read(request)?).await,
            _ => Err("only curl and grep are known here".into()),
        }
    }

    /// Each log line that says so, without its time, once.
    fn logged(&self, text: &str) -> String {
        let mut found: Vec<String> = Vec::new();
        for line in self.stage.log().lines().filter(|line| line.contains(text)) {
            let said = line.split_once(' ').map_or(line, |(_, said)| said.trim_start()).to_owned();
            if !found.contains(&said) {
                found.push(said);
            }
        }
        found.join("\n")
    }

    async fn send(&self, request: Request) -> Result<String, String> {
        let method = request.method.parse().map_err(|_| format!("{} is no method", request.method))?;
        let mut call = self.stage.http.request(method, &request.url);
        for (name, value) in &request.headers {
            call = call.header(name, value);
        }
        let Ok(answer) = call.body(request.body.unwrap_or_default()).send().await else {
            return Ok("no answer".into());
        };
        let status = answer.status();
        let body = answer.text().await.map_err(|error| error.to_string())?;
        let body = serde_json::from_str::<serde_json::Value>(&body)
            .map_or(body, |body| serde_json::to_string_pretty(&body).expect("JSON"));
        Ok(format!("{status}\n{body}"))
    }

    /// Holds what was printed against what was expected: a difference, or, where it is accepted, the new text.
    fn compare(&mut self, step: &mut Step, printed: &[String]) -> String {
        if let Some(names) = block::matches(&self.names, &step.expected, printed) {
            self.names = names;
            return String::new();
        }
        if accepts() {
            step.expected = block::accepted(&mut self.names, &step.expected, printed);
            return String::new();
        }
        let difference = block::difference(&self.names, &step.expected, printed);
        // What comes later speaks of what was seen here.
        block::accepted(&mut self.names, &step.expected, printed);
        format!("{}\n{difference}\n", at(step))
    }
}

fn at(step: &Step) -> String {
    format!("line {}: {} {}", step.line, transcript::sign(step.kind), step.text)
}
