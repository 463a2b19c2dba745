//! Content: brought in from files with a plan, twice the same as once, and looked at whether it is all there.

use db::TxResult;
use serde_json::{Value, json};
use shop::content::ContentFile;
use testkit::World;

/// The catalog and the content of [`stocked`].
pub(super) const CATALOG: &str = r#"
[[product]]
id = "rust-course"
kind = "course"
name = "Rust from the ground up"
[[product.price]]
currency = "usd"
amount = 4900
stripe_price_id = "price_rust"

[[product]]
id = "font"
kind = "download"
name = "A font"
[[product.price]]
currency = "usd"
amount = 900
stripe_price_id = "price_font"
"#;

pub(super) const CONTENT: &str = r#"
[[course]]
id = "rust-course"
[[course.module]]
id = "basics"
title = "Basics"
[[course.module.lesson]]
id = "hello"
title = "Hello"
stream_video_id = "film-1"
[[course.module.lesson.resource]]
id = "slides"
title = "Slides"
object_key = "rust/slides.pdf"
content_type = "application/pdf"
bytes = 1000
[[course.module.lesson]]
id = "secret"
title = "Not yet"
published = false
stream_video_id = "film-2"
[[course.module.lesson.resource]]
id = "draft"
title = "A draft"
object_key = "rust/draft.pdf"
[[course.resource]]
id = "all"
title = "Everything"
object_key = "rust/all.zip"

[[course]]
id = "font"
[[course.resource]]
id = "otf"
title = "The font"
object_key = "font/font.otf"
"#;

pub(super) fn content(text: &str) -> Value {
    json!({ "content": ContentFile::parse("content.toml", text).unwrap() })
}

/// What a change to a course may look like, in each form that a file can have.
const CHANGED: [(&str, &str); 3] = [
    (
        "content.toml",
        r#"
[[course]]
id = "rust-course"
[[course.module]]
id = "basics"
title = "Basics, anew"
[[course.module.lesson]]
id = "hello"
title = "Hello"
stream_video_id = "film-1"
[[course.module.lesson.resource]]
id = "slides"
title = "Slides"
object_key = "rust/slides.pdf"
"#,
    ),
    (
        "content.yaml",
        "
course:
  - id: rust-course
    module:
      - id: basics
        title: Basics, anew
        lesson:
          - id: hello
            title: Hello
            stream_video_id: film-1
            resource:
              - {id: slides, title: Slides, object_key: rust/slides.pdf}
",
    ),
    (
        "content.csv",
        "course,module,module_title,lesson,lesson_title,stream_video_id,resource,resource_title,object_key
rust-course,basics,\"Basics, anew\",hello,Hello,film-1,,,
rust-course,basics,,hello,,,slides,Slides,rust/slides.pdf
",
    ),
];

/// A world with content, all of which is there.
pub(super) async fn stocked(test: testkit::TestDb) -> World {
    let world = World::open(test).await;
    let catalog = shop::import::CatalogFile::parse(CATALOG).unwrap();
    world.operate("catalog.import", json!({ "catalog": catalog })).await.unwrap();
    world.task("courses.import", content(CONTENT)).await.unwrap();
    for (key, bytes) in
        [("rust/slides.pdf", 1000), ("rust/draft.pdf", 5), ("rust/all.zip", 5), ("font/font.otf", 5)]
    {
        world.disk.lay(key, bytes);
    }
    world.streams.lay("film-1");
    world.streams.lay("film-2");
    world
}

async fn by_hand(world: &World, sql: &'static str) {
    world.shop.db.write("a hand", move |tx| tx.execute(sql, &[])).await.safe_to_repeat().unwrap();
}

fn causes(answer: &Value) -> Vec<(String, String)> {
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    answer["data"].as_array().unwrap().iter().map(|row| (text(row, "course"), text(row, "cause"))).collect()
}

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn a_file_that_does_not_fit_the_catalog_changes_nothing(test: TestDb) {
        let world = stocked(test).await;
        let wrong = CONTENT.replace("id = \"font\"", "id = \"mug\"").replace("Hello", "Changed");
        let refused = world.task("courses.import", content(&wrong)).await.unwrap_err();
        assert!(refused.to_string().contains("mug is a physical product"), "{refused}");
        let unknown = CONTENT.replace("id = \"font\"", "id = \"nothing\"");
        assert!(world.task("courses.import", content(&unknown)).await.unwrap_err().to_string().contains("no product is called"));
        let parts = "[[course]]\nid = \"font\"\n[[course.module]]\nid = \"a\"\ntitle = \"A\"\n";
        assert!(world.task("courses.import", content(parts)).await.unwrap_err().to_string().contains("is a download"));
        let shown = world.view("courses.show", json!({ "course": "rust-course" })).await.unwrap();
        assert_eq!(shown["modules"][0]["lessons"][0]["title"], "Hello");
        world.close().await;
    }

    async fn what_is_imported_twice_is_there_once_and_keeps_its_ids(test: TestDb) {
        let world = stocked(test).await;
        let first = world.view("courses.show", json!({ "course": "rust-course" })).await.unwrap();
        let again = world.task("courses.import", content(CONTENT)).await.unwrap().answer;
        assert_eq!((again["changed"].as_u64(), again["data"].as_array().unwrap().len()), (Some(0), 0));
        // A plan changes nothing; then one lesson moves, one file goes, one title is another.
        let other = CONTENT.replace("title = \"Basics\"", "title = \"Basics, anew\"").replace("id = \"draft\"", "id = \"final\"");
        let mut preview = content(&other);
        preview["preview"] = true.into();
        let plan = world.task("courses.import", preview).await.unwrap().answer;
        assert_eq!(plan["would_change"], 1);
        let what: Vec<&str> = plan["data"].as_array().unwrap().iter().map(|row| row["what"].as_str().unwrap()).collect();
        assert_eq!(what, ["module rust-course/basics", "file rust-course/final", "file rust-course/draft"]);
        assert_eq!(world.view("courses.show", json!({ "course": "rust-course" })).await.unwrap(), first);
        let done = world.task("courses.import", content(&other)).await.unwrap().answer;
        assert_eq!(done["data"], plan["data"]);
        let second = world.view("courses.show", json!({ "course": "rust-course" })).await.unwrap();
        assert_eq!(second["modules"][0]["title"], "Basics, anew");
        assert_eq!(second["modules"][0]["id"], first["modules"][0]["id"]);
        assert_eq!(second["modules"][0]["lessons"][0], first["modules"][0]["lessons"][0]);
        let list = world.view("courses.list", json!({})).await.unwrap();
        let lessons: Vec<_> = list["data"].as_array().unwrap().iter().map(|row| (&row["id"], &row["lessons"], &row["files"])).collect();
        assert_eq!(json!(lessons), json!([["font", 0, 1], ["rust-course", 2, 3]]));
        world.close().await;
    }

    async fn the_same_course_gives_the_same_plan_in_every_form(test: TestDb) {
        let world = stocked(test).await;
        let mut plans = Vec::new();
        for (name, text) in CHANGED {
            let file = ContentFile::parse(name, text).unwrap();
            plans.push(world.task("courses.import", json!({ "content": file, "preview": true })).await.unwrap().answer);
        }
        assert_eq!(plans[0]["data"][0]["what"], "module rust-course/basics");
        assert_eq!((&plans[0], &plans[0]), (&plans[1], &plans[2]));
        world.close().await;
    }

    async fn what_is_promised_and_not_there_is_found(test: TestDb) {
        let world = stocked(test).await;
        assert_eq!(world.task("courses.check", json!({})).await.unwrap().findings, Some(0));
        world.disk.lose("font/font.otf");
        world.disk.lay("rust/slides.pdf", 999);
        by_hand(&world, "UPDATE course_lessons SET stream_video_id = 'gone' WHERE slug = 'hello'").await;
        by_hand(&world, "UPDATE course_lessons SET position = 7 WHERE slug = 'secret'").await;
        by_hand(&world, "UPDATE prices SET stripe_price_id = NULL WHERE product_id = 'font'").await;
        let answer = world.task("courses.check", json!({})).await.unwrap();
        let expected = [
            ("font", "file_missing"),
            ("font", "without_stripe_price"),
            ("rust-course", "file_missing"),
            ("rust-course", "film_missing"),
            ("rust-course", "out_of_order"),
        ];
        assert_eq!(causes(&answer.answer), expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
        assert_eq!(answer.findings, Some(5));
        let one = world.task("courses.check", json!({ "course": "font" })).await.unwrap();
        assert_eq!(one.findings, Some(2));
        assert_eq!(world.task("courses.check", json!({ "course": "mug" })).await.unwrap_err().code(), "not_found");
        // A disk that does not answer does not say that something is missing, and is named once.
        world.disk.silence(true);
        let silent = world.task("courses.check", json!({})).await.unwrap().answer;
        assert_eq!(causes(&silent).iter().filter(|(_, cause)| cause == "not_asked").count(), 1);
        assert!(!causes(&silent).iter().any(|(_, cause)| cause == "file_missing"));
        world.close_with(&["content_out_of_order", "course_without_stripe_price"]).await;
    }

    async fn a_course_that_shows_nothing_is_found_and_cannot_be_published(test: TestDb) {
        let world = stocked(test).await;
        by_hand(&world, "UPDATE course_lessons SET published = false").await;
        by_hand(&world, "UPDATE course_resources SET published = false WHERE lesson_id IS NULL").await;
        let found = world.findings().await;
        assert!(found.iter().all(|finding| finding.check == "content_hollow"), "{found:?}");
        assert_eq!(found.iter().filter(|finding| finding.subject == "rust-course").count(), 2);
        for course in ["rust-course", "font"] {
            world.operate("courses.unpublish", json!({ "course": course })).await.unwrap();
            let refused = world.operate("courses.publish", json!({ "course": course })).await.unwrap_err();
            assert_eq!(refused.code(), "refused_by_guard", "{refused}");
        }
        by_hand(&world, "UPDATE course_resources SET published = true").await;
        world.operate("courses.publish", json!({ "course": "font" })).await.unwrap();
        assert_eq!(world.operate("courses.publish", json!({ "course": "font" })).await.unwrap().status, ops::Status::Already);
        world.close().await;
    }
}
