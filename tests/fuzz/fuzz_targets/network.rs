//! Saved networks, with the hash made right where there is one: it would keep out all else.
#![no_main]

use apbt_rs::files::{read_header, read_network, seal};
use apbt_rs::network::Activation;
use apbt_rs::scoring::predict;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = read_header(bytes);
    let Ok(sealed) = seal(bytes.to_vec()) else { return };
    let _ = read_header(&sealed);
    for activations in [
        vec![Activation::Identity],
        vec![Activation::Tanh, Activation::Softmax],
        vec![Activation::Relu, Activation::Sigmoid, Activation::Sigmoid],
    ] {
        if let Ok(network) = read_network(&sealed, activations) {
            let _ = predict(&network, &vec![0.5; network.inputs() * 2]);
        }
    }
});
