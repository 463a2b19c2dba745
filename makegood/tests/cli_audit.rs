//! The audit log as the command line proves it, and a role that cannot change it.

#![allow(clippy::unwrap_used, reason = "a test says by a panic that it failed")]

mod cli_stage;

use cli_stage::{Stage, url};
use db::{Db, Dialect, Limits, Target};
use serde_json::json;
use testkit::{Engine, TestDb, World};

/// As somebody would who owns the database.
async fn tamper(db: &Db) {
    db.write("tamper", |tx| {
        match tx.dialect() {
            Dialect::Sqlite => tx.execute("DROP TRIGGER audit_logs_no_update", &[])?,
            Dialect::Postgres => tx.execute("ALTER TABLE audit_logs DISABLE TRIGGER ALL", &[])?,
        };
        tx.execute("UPDATE audit_logs SET reason = 'nothing to see here'", &[])
    })
    .await
    .unwrap();
}

/// A role of one test, and the URL under which it connects.
async fn role(test: &TestDb, name: &str) -> String {
    let sql = format!("CREATE ROLE {name} LOGIN");
    test.db.write("test", move |tx| tx.execute(&sql, &[])).await.unwrap();
    url(test).replace("postgres://postgres@", &format!("postgres://{name}@"))
}

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn a_log_that_was_changed_ends_the_command_with_3(test: TestDb) {
        let stage = Stage::on(&test);
        let world = World::open(test).await;
        let fine = stage.type_in("audit verify --json").ends(0).json();
        assert_eq!((fine["findings"].as_i64(), fine["verified"].as_i64()), (Some(0), Some(1)), "{fine}");
        let head = fine["head"].as_str().unwrap().to_owned();
        let told = stage.type_in("audit verify").ends(0);
        assert!(told.out.contains(&head) && told.err.contains("nothing found"), "{told:?}");
        stage.type_in(&format!("audit verify --head {head}")).ends(0);
        stage.type_in(&format!("audit verify --head {}", "0".repeat(64))).ends(3);
        stage.type_in("audit verify --head 123").ends(2);
        tamper(&world.test.db).await;
        let told = stage.type_in("audit verify").ends(3);
        assert!(told.out.contains("changed") && told.out.contains("aud_"), "{told:?}");
        assert!(stage.type_in("check").ends(3).out.contains("audit_chain_broken"));
    }
}

#[test]
fn a_role_without_the_right_to_change_the_log_runs_the_whole_shop() {
    testkit::databases::run_on(Engine::Postgres, shop::MIGRATIONS, |mut test| async move {
        let name = format!("mg_shop_{}", std::process::id());
        let stage = Stage::on(&test);
        let as_role = role(&test, &name).await;
        let shown = stage.type_in(&format!("db grant {name} --dry-run")).ends(0);
        assert!(shown.out.contains("GRANT SELECT, INSERT ON \"public\".\"audit_logs\""), "{shown:?}");
        // It came in, and that is all: a wrong setting, with what mends it.
        let stranger = Stage::bare().with("DATABASE_URL", &as_role);
        for line in ["orders list", "db migrate --yes"] {
            let told = stranger.type_in(line).ends(2);
            assert!(told.err.contains("Bootstrap failed: DATABASE_URL: "), "{told:?}");
            assert!(told.err.contains("42501") && told.err.contains("makegood db grant"), "{told:?}");
            assert!(!told.err.contains("SELECT") && !told.err.contains("TABLE"), "{told:?}");
        }
        stranger.with("AUTO_MIGRATE", "false").type_in("orders list").ends(2);
        assert!(stage.type_in(&format!("db grant {name}")).ends(2).err.contains("--yes"));
        stage.type_in(&format!("db grant {name} --yes")).ends(0);
        // A second time changes nothing.
        stage.type_in(&format!("db grant {name} --yes")).ends(0);

        let stage = Stage::bare().with("DATABASE_URL", &as_role).with("AUTO_MIGRATE", "false");
        test.db = Db::open(&Target::Postgres(as_role), Limits::default()).await.unwrap();
        let world = World::open(test).await;
        let buyer = world.buyer("buyer@example.com").await;
        let started = world.check_out_for(buyer, &[("rust-course", 1), ("mug", 1)]).await.unwrap();
        world.pay(&started, "4242424242424242");
        world.settle().await;
        world.operate("refunds.create", json!({ "order": started.order })).await.unwrap();
        world.settle().await;
        stage.type_in("audit verify").ends(0);
        stage.type_in("check").ends(0);
        for table in shop::ONLY_GROW {
            for change in [
                format!("DELETE FROM {table}"),
                format!("TRUNCATE {table}"),
                format!("ALTER TABLE {table} DISABLE TRIGGER ALL"),
                format!(
                    "UPDATE {table} SET {} = NULL",
                    if table == "audit_chain" { "hash" } else { "reason" }
                ),
            ] {
                let (sql, db) = (change.clone(), &world.test.db);
                let error = db.write("test", move |tx| tx.execute(&sql, &[])).await.unwrap_err();
                let text = format!("{error:?}");
                assert!(
                    text.contains("permission denied") || text.contains("must be owner"),
                    "{change}: {text}"
                );
            }
        }
        for (change, is_allowed) in [
            ("DELETE FROM audit_head", false),
            ("INSERT INTO audit_unchained (audit_id) SELECT audit_id FROM audit_chain LIMIT 1", false),
            ("UPDATE audit_unchained SET audit_id = audit_id", false),
            ("DELETE FROM audit_unchained WHERE 1 = 0", true),
        ] {
            let end = world.test.db.write("test", move |tx| tx.execute(change, &[])).await;
            assert_eq!(end.is_ok(), is_allowed, "{change}: {end:?}");
        }
        world.close().await;
        // What it was granted went with the database.
        let admin = Target::Postgres(testkit::databases::postgres().unwrap());
        let admin = Db::open(&admin, Limits::default()).await.unwrap();
        let sql = format!("DROP ROLE {name}");
        admin.write("test", move |tx| tx.execute(&sql, &[])).await.unwrap();
    });
}

#[test]
fn a_role_that_could_take_everything_back_is_not_granted_anything() {
    testkit::databases::run_on(Engine::Postgres, shop::MIGRATIONS, |test| async move {
        let stage = Stage::on(&test);
        let superuser = stage.type_in("db grant postgres --yes").ends(2);
        assert!(superuser.err.contains("superuser"), "{superuser:?}");
        let nobody = stage.type_in("db grant nobody_at_all --yes").ends(2);
        assert!(nobody.err.contains("CREATE ROLE"), "{nobody:?}");
        let name = format!("mg_owner_{}", std::process::id());
        role(&test, &name).await;
        let sql = [
            format!("ALTER TABLE audit_logs OWNER TO {name}"),
            "ALTER TABLE audit_logs OWNER TO postgres".to_owned(),
            format!("DROP ROLE {name}"),
        ];
        let (owned, back) = (sql[0].clone(), sql);
        test.db.write("test", move |tx| tx.execute(&owned, &[])).await.unwrap();
        let owner = stage.type_in(&format!("db grant {name} --yes")).ends(2);
        assert!(owner.err.contains("owns audit_logs"), "{owner:?}");
        test.db
            .write("test", move |tx| back[1..].iter().try_for_each(|sql| tx.execute(sql, &[]).map(drop)))
            .await
            .unwrap();
    });
}

#[test]
fn sqlite_has_no_roles() {
    testkit::databases::run_on(Engine::Sqlite, shop::MIGRATIONS, |test| async move {
        let said = Stage::on(&test).type_in("db grant somebody --yes").ends(2);
        assert!(said.err.contains("SQLite has no roles"), "{said:?}");
    });
}
