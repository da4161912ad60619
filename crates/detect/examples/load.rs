//! How long the rules take to load.
fn main() {
    for _ in 0..5 {
        let began = std::time::Instant::now();
        let rules = detect::Rules::shipped().map(|rules| rules.len());
        println!("{rules:?} in {:?}", began.elapsed());
    }
}
