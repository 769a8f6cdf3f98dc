use super::super::Panels;
use super::*;
use crate::Rich as _;

/// Attributes of all elements of a kind, as numbers.
fn attributes<const N: usize>(svg: &str, tag: &str, names: [&str; N]) -> Vec<[f64; N]> {
    let value = |line: &str, name: &str| -> f64 {
        line.split_once(&format!(" {name}=\"")).unwrap().1.split('"').next().unwrap().parse().unwrap()
    };
    let lines = svg.lines().filter(|line| line.starts_with(&format!("<{tag} ")));
    lines.map(|line| names.map(|name| value(line, name))).collect()
}

/// The boxes of a diagram: x, y, width, height.
fn boxes(svg: &str) -> Vec<[f64; 4]> {
    let edged: String = svg.lines().filter(|l| l.contains("stroke=")).map(|l| format!("{l}\n")).collect();
    attributes(&edged, "rect", ["x", "y", "width", "height"])
}

#[test]
fn items_stand_in_rows_and_columns() {
    let svg = Diagram::new("T").row(["a", "bbbbbbbb"]).row(["c", "d"]).to_svg();
    let [a, b, c, d] = boxes(&svg)[..] else { panic!("{svg}") };
    let middle = |r: [f64; 4]| (r[0] + r[2] / 2.0, r[1] + r[3] / 2.0);
    let near = |a: f64, b: f64| (a - b).abs() < 0.02;
    assert!(near(middle(a).0, middle(c).0) && near(middle(b).0, middle(d).0));
    assert!(near(middle(a).1, middle(b).1) && near(middle(c).1, middle(d).1));
    assert!(a[0] + a[2] < b[0] && a[1] + a[3] < c[1]);
}

#[test]
fn a_tall_item_is_gone_around() {
    let svg = Diagram::new("").row([Item::new("a"), Item::new("h").tall(2)]).row(["b", "c"]).to_svg();
    let [a, h, b, c] = boxes(&svg)[..] else { panic!("{svg}") };
    assert!(b[1] > a[1] && c[0] > h[0] + h[2], "c stands beside h, not under it");
    assert!(a[1] < h[1] && h[1] + h[3] < b[1] + b[3], "h in the middle of both rows");
}

#[test]
fn arrows_touch_their_items_and_say_what_they_do() {
    let diagram = Diagram::new("RNN").row(["x", "h"]).row(["", "y & z"]).arrows([("x", "h", "W"), ("h", "y & z", "")]);
    let svg = diagram.to_svg();
    let [x, h, _] = boxes(&svg)[..] else { panic!("{svg}") };
    let route = svg.lines().find(|l| l.contains("fill=\"none\"")).unwrap().split("d=\"M").nth(1).unwrap();
    let numbers: Vec<f64> = route.split(['L', ' ', '"']).filter_map(|n| n.parse().ok()).collect();
    assert!(numbers[0] > x[0] + x[2] && numbers[2] < h[0] && (numbers[1] - numbers[3]).abs() < 0.02, "{numbers:?}");
    assert!(svg.contains("role=\"img\" aria-label=\"RNN: x → h (W); h → y &amp; z\""), "{svg}");
    assert_eq!(svg.matches("z\"/>").count(), 3, "two heads, and the ground of a label");
    assert!(boxes(&Diagram::new("").row(["x", "h"]).arrows([("x", "h", "a long label")]).to_svg())[1][0] > h[0]);
}

#[test]
fn a_matrix_shows_its_name_its_shape_and_its_numbers() {
    let matrix = Item::matrix("P", 2, 2).shape("(T, T)").numbers([1.0, f64::NAN, 0.25, 0.75], 2).color(1);
    let diagram = Diagram::new("").row([matrix, Item::sign("·"), Item::matrix("V", 2, 3).shape("(T, d)")]);
    let svg = diagram.to_svg();
    for part in [">P<", ">(T, T)<", ">1.00<", ">0.25<", ">0.75<", "aria-label=\"P (T, T) · V (T, d)\""] {
        assert!(svg.contains(part), "{part} in {svg}");
    }
    assert!(!svg.contains("NaN"));
    let french = crate::numbers::with_marks(crate::Lang::Fr.marks(), || diagram.content());
    assert!(french.contains(">0,25<"));
}

#[test]
fn groups_frame_their_items() {
    let svg = Diagram::new("").row(["a", "b", "c"]).group("both", ["a", "b"]).to_svg();
    let [frame, a, b, c] = boxes(&svg)[..] else { panic!("{svg}") };
    assert!(frame[0] < a[0] && frame[0] + frame[2] > b[0] + b[2] && frame[0] + frame[2] < c[0]);
    assert!(frame[1] >= 0.0 && frame[1] < a[1] - 20.0 && svg.contains(">both<"));
}

#[test]
fn nothing_leaves_the_page() {
    let steps = Diagram::new("")
        .row(["a", "b", "c"])
        .row(["d", "", "e"])
        .arrows([Arrow::new("a", "c").around().label("skip"), Arrow::new("b", "b").label("loop")])
        .arrows([Arrow::new("c", "e").around().label("down"), Arrow::new("d", "c").elbow(), Arrow::new("d", "b")]);
    let svg = steps.to_svg();
    let (w, h) = steps.size(0);
    let routes: Vec<&str> = svg.lines().filter(|l| l.contains("fill=\"none\"")).collect();
    assert_eq!(routes.len(), 5);
    for route in routes {
        let points = route.split(" d=\"").nth(1).unwrap();
        let numbers: Vec<f64> = points.split(['M', 'C', 'L', ' ', '"']).filter_map(|n| n.parse().ok()).collect();
        for at in numbers.chunks(2) {
            assert!(at[0] > 0.0 && at[0] < f64::from(w) && at[1] > -12.0 && at[1] < f64::from(h), "{route}");
        }
    }
}

#[test]
fn what_names_no_item_is_said() {
    let svg = Diagram::new("").row(["a"]).arrows([("a", "b")]).group("g", ["zz"]).to_svg();
    assert!(svg.contains(">? b  ? zz<"), "{svg}");
}

#[test]
fn nothing_strange_can_break_a_diagram() {
    let wild = Diagram::new("a title that is rather long for so small a picture, and goes on and on")
        .row([Item::matrix("M", 0, 999).numbers([f64::INFINITY; 9], 99), Item::new("a\nb\n").tall(99).wide(99)])
        .row(["x"; 40])
        .arrows([("x", "x"), ("M", "a\nb\n")])
        .group("", ["x"]);
    for diagram in [Diagram::new(""), Diagram::new("").row([""]), wild] {
        assert!(diagram.to_svg().ends_with("</svg>\n"));
        assert!(Panels::new(2).add(diagram.clone()).add(diagram).size(0, 0).to_svg().ends_with("</svg>\n"));
    }
}
