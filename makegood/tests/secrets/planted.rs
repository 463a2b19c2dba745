//! Secrets are planted, and everything that a server and its commands say is searched for them.

use testkit::on_both_engines;

use crate::cli_stage::Stage;
use crate::doors::ADMIN_TOKEN;
use crate::{Lies, listed, refreshed, served};

const KEY: &str = "sk_test_PlantedApiKey0000";
const HOOK: &str = "whsec_PlantedSigning0000";
const NEXT: &str = "whsec_PlantedSigning1111";

on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn no_answer_of_a_server_holds_a_secret(test: TestDb) {
        let hook = Lies::with("hook", HOOK);
        let (server, _watch) = served(&test, &hook, vec![("STRIPE_SECRET", KEY.into())]).await;
        hook.write(NEXT);
        let mut said = refreshed(&server).await.to_string();
        hook.write(&format!("{{\"webhookSecret\": {NEXT}"));
        said += &refreshed(&server).await.to_string();
        for path in ["/api/v1/admin/secrets", "/api/v1/admin/audit-logs", "/api/v1/admin/runs", "/metrics", "/readyz?verbose",
            "/openapi.json"] {
            said += &server.get(path, Some(ADMIN_TOKEN)).await.text;
        }
        said += &format!("{:?} {:?} {:?}", server.app.secrets, server.app.config, server.app.secrets.api_key());
        said += &format!("{:?}", listed(&server, "ADMIN_TOKEN").await);
        assert!(said.contains("secrets_refreshed") && said.contains("secret_refetch_total"));
        for planted in ["Planted", ADMIN_TOKEN] {
            assert!(!said.contains(planted), "{planted} in {said}");
        }
        server.stop().await;
    }

    async fn no_command_prints_a_secret(test: TestDb) {
        let stage = Stage::on(&test)
            .with("STRIPE_SECRET", KEY)
            .with("STRIPE_WEBHOOK_SECRET_FILE", "hook")
            .with("ADMIN_TOKEN", "PlantedTokenOfTheAdmin")
            .with("MAIL_PASSWORD", "PlantedPassword")
            .with("RUST_LOG", "trace");
        stage.file("hook", &format!("{HOOK},{NEXT}"));
        let list = stage.run(&["secrets", "list", "--json"]).ends(0);
        let rows = list.json()["data"].as_array().unwrap().clone();
        let names: Vec<&str> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
        for name in ["STRIPE_SECRET", "STRIPE_WEBHOOK_SECRET", "ADMIN_TOKEN", "MAIL_PASSWORD"] {
            assert!(names.contains(&name), "{names:?}");
        }
        let mut said = vec![list];
        for words in [
            "secrets list", "secrets refresh --reason why", "secrets refresh --reason why --json", "config show --all",
            "config check", "whoami", "check", "doctor", "doctor --json",
        ] {
            said.push(stage.type_in(words));
        }
        stage.file("hook", "{\"webhookSecret\": PlantedNonsense");
        for words in ["config check", "secrets list", "serve", "doctor"] {
            said.push(stage.type_in(words));
        }
        for said in said {
            assert!(!format!("{}{}", said.out, said.err).contains("Planted"), "{said:#?}");
        }
    }
}
