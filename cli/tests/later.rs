//! What people do after their first model: train on, take other texts, keep and compare several.

mod program;

use program::{Place, TINY, json, run, stderr};
use serde_json::Value;

#[test]
fn a_run_goes_on_beyond_its_end() {
    let place = Place::new();
    for decay in ["cosine", "wsd"] {
        let tiny = format!("train {TINY} --data text.txt --set decay={decay} --set eval_every=5 --set warmup=2");
        place.ok(&format!("{tiny} --steps 10 --out {decay} --quiet"));
        let said = stderr(&place.run(&format!("train --out {decay} --resume")));
        assert!(said.contains("all 10 steps are made; --resume --steps 20"), "{said}");
        assert_eq!(place.run(&format!("train --out {decay} --resume --steps 10")).status.code(), Some(2));
        let said = stderr(&place.run(&format!("train --out {decay} --resume --steps 20")));
        assert!(said.contains("going on after step 10, now to step 20: the"), "{said}");
        assert_eq!(said.contains("warms up again"), decay == "cosine", "{said}");
        let rows = std::fs::read_to_string(place.path(decay).join("metrics.jsonl")).unwrap();
        let rates: Vec<f64> =
            rows.lines().map(|row| serde_json::from_str::<Value>(row).unwrap()["lr"].as_f64().unwrap()).collect();
        // A cosine falls twice; with the other the last fifth of all twenty steps decays.
        match decay {
            "cosine" => assert_eq!(rates[..10], rates[10..]),
            _ => assert!(rates[10] == 3e-3 && rates[19] < 1.1e-3, "{rates:?}"),
        }
        assert_eq!(rates.len(), 20);
    }
    place.ok("train --out wsd --resume --minutes 0.001 --quiet");
}

#[test]
fn a_model_is_trained_on_another_text_with_its_own_tokenizer() {
    let place = Place::new();
    place.ok(&format!("train {TINY} --data text.txt --steps 4 --out base --quiet"));
    let french = "Lorsque la partie de cartes fut finie, Charles se leva et dit bonsoir.\n".repeat(60);
    std::fs::write(place.path("french.txt"), french).unwrap();
    place.ok("train nano --data french.txt --init-from base --steps 3 --out next --set eval_every=1 --quiet");
    let file = |name: &str| std::fs::read(place.path(name)).unwrap();
    assert_eq!(file("base/tokenizer.json"), file("next/tokenizer.json"));
    let training: Value = serde_json::from_slice(&file("next/training.json")).unwrap();
    assert_eq!(training["config"]["train"]["lr"].as_f64().unwrap() as f32, 1e-3);
    assert_eq!(training["config"]["model"]["width"], 32);
    let loss =
        |model: &str| json(&place.ok(&format!("eval {model} --data french.txt --json")))["bits_per_byte"].clone();
    assert!(loss("next").as_f64() < loss("base").as_f64());
    let error = place.run("train nano --data french.txt --init-from base --set width=48 --out no");
    assert!(error.status.code() == Some(2) && stderr(&error).contains("only dropout"), "{}", stderr(&error));
    // A tokenizer of one's own.
    place.ok("tokenizer train --data french.txt --vocab 290 --out own.json");
    place.ok(
        "train nano --data french.txt --tokenizer own.json --set width=32 --set heads=2 --steps 1 --out own --quiet",
    );
    assert_eq!(
        place.ok("tokenizer encode --model own Charles"),
        place.ok("tokenizer encode --tokenizer own.json Charles")
    );
}

#[test]
fn a_folder_of_stories_teaches_where_stories_begin_and_stop() {
    let place = Place::new();
    std::fs::create_dir(place.path("stories")).unwrap();
    for i in 0..120 {
        let name = ["Tom", "Ann", "Sam", "Eve"][i % 4];
        let story = format!("Once upon a time {name} saw a big red ball. {name} ran home.\n");
        std::fs::write(place.path("stories").join(format!("{i:03}.txt")), story).unwrap();
    }
    let line = format!("train {TINY} --data stories --steps 250 --set lr=1e-2 --set eval_every=250 --out m");
    let said = stderr(&place.run(&line));
    assert!(said.contains("note: 120 files read") && said.contains("followed by <|endoftext|>"), "{said}");
    assert!(!said.contains("chat --model"), "{said}");
    let config: Value = serde_json::from_slice(&std::fs::read(place.path("m/config.json")).unwrap()).unwrap();
    assert_eq!(config["bos_token_id"], 0);
    // Without a prompt a story begins, and each ends where stories end.
    let samples =
        json(&place.ok("generate --model m --prompt '' --num 8 --seed 1 --temperature 0.5 --json"))["samples"].clone();
    for sample in samples.as_array().unwrap() {
        let text = sample["text"].as_str().unwrap();
        assert!(text.starts_with("Once upon a time") && text.trim_end().ends_with("home."), "{text:?}");
        assert_eq!((sample["finish_reason"].as_str(), text.matches("Once").count()), (Some("stop"), 1), "{text:?}");
    }
}

#[test]
fn the_last_models_are_kept_and_models_have_names() {
    let place = Place::new();
    place.ok(&format!("train {TINY} --data text.txt --steps 9 --set eval_every=2 --keep 2 --quiet"));
    let dir = place.path("models/checkpoints/nano");
    let mut steps: Vec<_> =
        std::fs::read_dir(&dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    steps.retain(|name| name.starts_with("step-"));
    steps.sort();
    assert_eq!(steps, ["step-8", "step-9"]);
    place.ok("generate --model nano/step-8 --prompt A --max-tokens 2");
    // Without a name it is the run's best model, not the last one that was kept.
    let newest = json(&place.ok("generate --prompt A --max-tokens 2 --json"));
    assert_eq!(newest["model"], "models/checkpoints/nano");
    assert!(place.ok("generate --model nano --prompt A --max-tokens 2").starts_with('A'));
    let error = stderr(&place.run("generate --model nine --prompt A"));
    assert!(error.contains("there are nano") && error.contains("nano/step-9"), "{error}");
    // The same command again sets all of it aside.
    place.ok(&format!("train {TINY} --data text.txt --steps 2 --quiet"));
    assert!(place.path("models/checkpoints/nano.1/step-9/model.safetensors").exists());
}

#[test]
fn a_changed_or_learned_text_is_told_when_it_is_scored() {
    let place = Place::new();
    place.ok(&format!("train {TINY} --data text.txt --steps 2 --out m --quiet"));
    let own = place.ok("eval m");
    assert!(own.contains("the last 10 %"), "{own}");
    let named = place.ok("eval m --data text.txt");
    assert!(named.contains("held-out") && named.contains(own.lines().nth(1).unwrap()), "{named}");
    // From another folder as well.
    std::fs::create_dir(place.path("elsewhere")).unwrap();
    let mut command = place.command("eval ../m");
    command.current_dir(place.path("elsewhere"));
    assert_eq!(run(command, b"").status.code(), Some(0));
    let piped = run(place.command("eval m --data -"), b"To be, or not to be: that is the question.");
    assert!(String::from_utf8_lossy(&piped.stdout).contains("all of standard input"), "{}", stderr(&piped));
    std::fs::write(place.path("text.txt"), &program::text()[100..]).unwrap();
    let output = place.run("eval m");
    assert!(stderr(&output).contains("warning:") && stderr(&output).contains("has changed"), "{}", stderr(&output));
    std::fs::remove_file(place.path("text.txt")).unwrap();
    let output = place.run("eval m");
    assert!(
        output.status.code() == Some(1) && stderr(&output).contains("the run learned from it"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn models_are_listed_and_verified() {
    let place = Place::new();
    assert!(place.ok("models").is_empty());
    for (name, seed) in [("first", 1), ("second", 2)] {
        place.ok(&format!(
            "train {TINY} --data text.txt --steps 2 --seed {seed} --quiet --out models/checkpoints/{name}"
        ));
    }
    let table = place.ok("models");
    let rows: Vec<&str> = table.lines().collect();
    assert!(rows.len() == 3 && rows[1].starts_with("second") && rows[2].starts_with("first"), "{table}");
    assert!(rows[1].contains("36,480") && rows[1].contains("2/2") && rows[1].ends_with("text.txt"), "{table}");
    let best = json(&place.ok("eval second --json"))["bits_per_byte"].as_f64().unwrap();
    assert!(rows[1].contains(&format!("{best:.4}")), "{table}");
    let object = json(place.ok("models --json").lines().next().unwrap());
    assert_eq!((object["steps"].to_string(), object["parameters"].as_u64()), ("[2,2]".into(), Some(36_480)));
    // What can be read is still listed when something else cannot.
    std::fs::write(place.path("models/checkpoints/first/config.json"), "{").unwrap();
    let output = place.run("models");
    assert!(stderr(&output).contains("first: ") && String::from_utf8_lossy(&output.stdout).contains("second"));

    assert!(place.ok("verify").contains("optimizer.safetensors"));
    let file = place.path("models/checkpoints/second/optimizer.safetensors");
    let mut bytes = std::fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let output = place.run("verify second");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("optimizer.safetensors not as saved"), "{}", stderr(&output));
    let output = place.run("train --resume --out models/checkpoints/second --steps 4");
    assert!(output.status.code() == Some(1) && stderr(&output).contains("not as it was saved"), "{}", stderr(&output));
}
