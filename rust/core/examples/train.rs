//! Learns a vocabulary from text files and prints its merges: `cargo run --release --example train -- 32000 2 FILE ...`
//! (the vocabulary's size, threads, files). Times go to stderr.

use std::io::Read as _;
use std::time::Instant;

use gpt2tok_core::alphabet::spell;
use gpt2tok_core::train::{BATCH, Cut, Options, Stream, Trainer, Watch};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut number = || arguments.next().and_then(|text| text.parse().ok()).ok_or("give a size, threads and files");
    let (vocab_size, threads): (usize, usize) = (number()?, number()?);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let pool = (threads > 1).then_some(&pool);
    let start = Instant::now();
    let mut trainer = Trainer::new(Options::new(vocab_size))?;
    for path in arguments {
        let (mut file, mut stream) = (std::fs::File::open(path)?, Stream::new(Cut::AfterLines, false));
        let mut block = vec![0; BATCH];
        loop {
            let size = file.read(&mut block)?;
            if size == 0 {
                break;
            }
            trainer.push(&stream.push(&block[..size])?, Cut::AfterLines)?;
            if trainer.is_full() {
                trainer.count(pool, &|| true)?;
            }
        }
        trainer.push(&stream.finish()?, Cut::AfterLines)?;
        trainer.count(pool, &|| true)?;
    }
    let counted = start.elapsed();
    let trained = trainer.learn(pool, Watch::default())?;
    eprintln!("{} bytes: counted in {counted:.3?}, learned in {:.3?}", trained.bytes, start.elapsed() - counted);
    let bytes = |id: u32| trained.definition.tokens[id as usize].0.as_slice();
    let mut lines = String::new();
    for &(left, right, _) in &trained.definition.merges {
        lines += &format!("{} {}\n", spell(bytes(left)), spell(bytes(right)));
    }
    print!("{lines}");
    Ok(())
}
