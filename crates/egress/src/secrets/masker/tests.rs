use super::{super::encodings::encodings, *};

fn masker(values: &[&str]) -> Arc<Masker> {
    Arc::new(Masker::of_values(values).unwrap())
}

/// `text` cut at `cuts`, put through a stream.
fn streamed(masker: &Arc<Masker>, text: &[u8], mut cuts: Vec<usize>) -> Vec<u8> {
    cuts.sort_unstable();
    cuts.push(text.len());
    let mut stream = MaskedStream::new(Arc::clone(masker));
    let (mut given, mut start) = (Vec::new(), 0);
    for cut in cuts {
        given.extend_from_slice(&stream.push(Bytes::copy_from_slice(&text[start..cut])));
        start = cut;
    }
    given.extend_from_slice(&stream.finish());
    given
}

/// The same by the plainest means: each byte that belongs to a value is marked, and values that overlap are one.
fn masked_slowly(values: &[String], text: &str) -> String {
    let needles: Vec<Vec<u8>> =
        values.iter().flat_map(|value| encodings(value)).map(|needle| needle.to_ascii_lowercase()).collect();
    let lower = text.to_ascii_lowercase().into_bytes();
    // Whether a value goes on from each byte to the next.
    let (mut is_within, mut goes_on) = (vec![false; text.len()], vec![false; text.len()]);
    for needle in &needles {
        for start in (0..lower.len()).filter(|start| lower[*start..].starts_with(needle)) {
            is_within[start..start + needle.len()].fill(true);
            goes_on[start..start + needle.len() - 1].fill(true);
        }
    }
    let mut masked = String::new();
    for (at, character) in text.char_indices() {
        if !is_within[at] {
            masked.push(character);
        } else if !goes_on[at] {
            masked.push_str("***");
        }
    }
    masked
}

/// Numbers that look random and are the same in each run (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }

    fn text(&mut self, length: usize) -> String {
        (0..length).map(|_| ['a', 'b', 'A', '/'][self.below(4)]).collect()
    }
}

#[test]
fn values_are_masked_in_any_case_and_encoding() {
    let masker = masker(&["S3cret/Value"]);

    assert_eq!(masker.mask_text("a S3cret/Value b"), "a *** b");
    assert_eq!(masker.mask_text("https://s3cret%2fvalue.a.test"), "https://***.a.test");
    assert_eq!(masker.mask_text("Basic dXNlcjpTM2NyZXQvVmFsdWU="), "Basic dXNlcjp***U=");
    assert_eq!(masker.mask_text("nothing"), "nothing");
}

#[test]
fn values_that_overlap_are_masked_as_one() {
    let masker = masker(&["xxab", "abyy"]);

    assert_eq!(masker.mask_text("-xxabyy-"), "-***-");
    assert_eq!(masker.mask_text("-xxababyy-"), "-******-");
}

#[test]
fn a_value_is_masked_however_the_body_is_cut() {
    let masker = masker(&["s3cret-value"]);
    let text = b"{\"echo\":\"s3cret-value\",\"s3cret\":\"s3cret-valu s3cret-value\"}";
    let whole = masker.mask(text).into_owned();

    for cut in 0..=text.len() {
        assert_eq!(streamed(&masker, text, vec![cut]), whole, "cut at {cut}");
    }
    assert_eq!(streamed(&masker, text, (0..text.len()).collect()), whole, "byte by byte");
}

#[test]
fn any_cutting_of_any_text_gives_the_same_and_no_value() {
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    for round in 0..3000 {
        let values: Vec<String> = (0..=numbers.below(3))
            .map(|_| {
                let length = 1 + numbers.below(6);
                numbers.text(length)
            })
            .collect();
        let masker = masker(&values.iter().map(String::as_str).collect::<Vec<_>>());
        let length = numbers.below(60);
        let text = numbers.text(length);
        let whole = masker.mask(text.as_bytes()).into_owned();
        let cuts: Vec<usize> = (0..numbers.below(8)).map(|_| numbers.below(text.len() + 1)).collect();

        let pieces = streamed(&masker, text.as_bytes(), cuts.clone());

        assert_eq!(pieces, whole, "round {round}: {values:?} in {text} cut at {cuts:?}");
        assert_eq!(pieces, masked_slowly(&values, &text).as_bytes(), "round {round}: {values:?} in {text}");
        for part in String::from_utf8(pieces).unwrap().to_lowercase().split("***") {
            assert!(!values.iter().any(|value| part.contains(&value.to_lowercase())), "round {round}: {values:?} in {text}");
        }
    }
}

#[test]
fn what_cannot_be_a_value_is_not_held_back() {
    let masker = masker(&["s3cret-value"]);
    let mut stream = MaskedStream::new(masker);

    assert_eq!(stream.push(Bytes::from_static(b"event: one\n\n")), "event: one\n\n");
    assert_eq!(stream.push(Bytes::from_static(b"event: s3c")), "event: ");
    assert_eq!(stream.push(Bytes::from_static(b"ond\n\n")), "s3cond\n\n");
}

#[test]
fn what_is_held_back_is_shorter_than_the_longest_needle() {
    let masker = masker(&["aa", "aaaa"]);
    let mut stream = MaskedStream::new(masker);
    for _ in 0..100 {
        stream.push(Bytes::from(vec![b'a'; 1000]));
        assert!(stream.held.len() <= 8 && stream.found.len() <= 8, "{}", stream.held.len());
    }
}

#[test]
fn the_work_is_in_proportion_to_the_body() {
    // Each byte begins a value and belongs to thousands of them; worked through one by one this would take hours.
    let value = "a".repeat(8000);
    let masker = masker(&[&value, &format!("{value}b"), &value[1..]]);
    let mut stream = MaskedStream::new(masker);

    let given: usize =
        (0..500).map(|_| stream.push(Bytes::from(vec![b'a'; 4000])).len() + stream.push(Bytes::from_static(b"c")).len()).sum();

    assert!(given > 0);
}
