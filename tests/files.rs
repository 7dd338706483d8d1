//! Saved networks: what is written is read, and no file that differs in any byte is accepted.

mod common;

use apbt_rs::error::{Error, Result};
use apbt_rs::files::{read_header, read_network, write};
use apbt_rs::network::{Activation, Network};
use common::{Shape, layers_of, network};
use proptest::prelude::*;

fn networks() -> impl Strategy<Value = Network> {
    let shape = (common::shapes(), 1..6_usize, 1..6_usize);
    let density = prop_oneof![Just(1.0), 0.0..1.0];
    (shape, density, any::<u64>()).prop_map(drawn)
}

fn drawn(((shape, inputs, outputs), density, seed): ((Shape, usize, usize), f64, u64)) -> Network {
    let (topology, activations) = layers_of(&shape, inputs, outputs);
    network(&topology, &activations, density, seed)
}

/// A network of two layers, both with pruned weights, in as few bytes as there can be.
fn small() -> (Vec<u8>, Vec<Activation>) {
    let network = network(&[2, 2, 1], &[Activation::Tanh, Activation::Sigmoid], 0.5, 1);
    assert!(network.size() < 6);
    (write(&network, "{}").unwrap(), network.activations().to_vec())
}

/// Header and network, as a reader gets them.
fn read(bytes: &[u8], activations: &[Activation]) -> Result<(String, Network)> {
    Ok((read_header(bytes)?, read_network(bytes, activations.to_vec())?))
}

fn is_refused(bytes: &[u8], activations: &[Activation]) -> bool {
    // Neither may panic, whatever the other said.
    let _ = read_network(bytes, activations.to_vec());
    matches!(read(bytes, activations), Err(Error::Corrupt(_)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn what_is_written_is_read(network in networks(), header: String) {
        let bytes = write(&network, &header).unwrap();
        let (read_header, read_network) = read(&bytes, network.activations()).unwrap();
        prop_assert_eq!(read_header, header);
        prop_assert_eq!(read_network, network);
    }

    #[test]
    fn the_bytes_depend_on_network_and_header_alone(network in networks(), header: String) {
        // Many times, since an order that comes and goes may come twice.
        let first = write(&network, &header).unwrap();
        prop_assert!((0..8).all(|_| write(&network, &header).unwrap() == first));
    }

    #[test]
    fn a_file_with_any_other_byte_is_refused(
        network in networks(),
        header: String,
        place in any::<prop::sample::Index>(),
        change in 1..=255_u8,
    ) {
        let mut bytes = write(&network, &header).unwrap();
        let place = place.index(bytes.len());
        bytes[place] ^= change;
        prop_assert!(is_refused(&bytes, network.activations()));
    }

    #[test]
    fn a_file_that_was_cut_or_grew_is_refused(
        network in networks(),
        end in any::<prop::sample::Index>(),
        more in prop::collection::vec(any::<u8>(), 1..20),
    ) {
        let bytes = write(&network, "{}").unwrap();
        prop_assert!(is_refused(&bytes[..end.index(bytes.len())], network.activations()));
        prop_assert!(is_refused(&[&bytes[..], &more].concat(), network.activations()));
        prop_assert!(is_refused(&[&more[..], &bytes].concat(), network.activations()));
    }

    #[test]
    fn random_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(is_refused(&bytes, &[Activation::Sigmoid]));
    }
}

#[test]
fn a_small_file_with_any_bit_flipped_is_refused() {
    let (bytes, activations) = small();
    assert!(read(&bytes, &activations).is_ok());
    for place in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1 << bit;
            assert!(is_refused(&damaged, &activations), "bit {bit} of byte {place}");
        }
    }
}

#[test]
fn a_small_file_cut_anywhere_is_refused() {
    let (bytes, activations) = small();
    for end in 0..bytes.len() {
        assert!(is_refused(&bytes[..end], &activations), "cut at {end}");
    }
}

#[test]
fn a_header_may_hold_what_looks_like_the_files_own_parts() {
    let network = network(&[2, 1], &[Activation::Sigmoid], 1.0, 0);
    let zeros = "0".repeat(64);
    for header in [
        format!("\"sha256\":\"{zeros}\""),
        format!("\"apbt_rs\":\"{zeros}"),
        zeros.clone(),
        "\"\\\u{0}\u{1f}\u{7f}µ🦀\u{2028}".to_owned(),
    ] {
        let bytes = write(&network, &header).unwrap();
        assert_eq!(read_header(&bytes).unwrap(), header);
    }
}

#[test]
fn activations_must_be_as_many_as_layers() {
    let (bytes, activations) = small();
    assert_eq!(activations.len(), 2);
    for wrong in [vec![], vec![Activation::Tanh], vec![Activation::Tanh; 3]] {
        assert!(matches!(read_network(&bytes, wrong), Err(Error::Corrupt(_))));
    }
}

#[test]
fn another_programs_safetensors_file_is_refused() {
    let data = [0_u8; 8];
    let view = || {
        safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![2, 1], &data).unwrap()
    };
    for metadata in [None, Some([("apbt_rs".to_owned(), "{}".to_owned())].into())] {
        let bytes = safetensors::serialize([("layer.0.weight", view())], metadata).unwrap();
        assert!(is_refused(&bytes, &[Activation::Sigmoid]));
    }
}
