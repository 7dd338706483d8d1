//! Saved networks: one safetensors file with a JSON header and a hash of everything.
//!
//! The tensors are `layer.N.weight` `(inputs, outputs)`, `layer.N.bias` `(outputs,)` and, for a
//! pruned layer, `layer.N.mask` `(inputs, outputs)` of bytes. The header's metadata has one entry,
//! `apbt_rs`: 64 digits, then a JSON text that is the Python package's own (encoder, settings,
//! scores, activations). The digits are the SHA-256 hash of the whole file with themselves read as
//! zeros, so a reader notices any change of any byte, and reading runs no code. It is one entry
//! since the `safetensors` crate writes several in random order.

use std::collections::HashMap;
use std::fmt::Write;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result, corrupt};
use crate::network::{Activation, Network};

const HEADER: &str = "apbt_rs";
const NO_HASH: [u8; 64] = [b'0'; 64];

/// The bytes of a file that holds a network and a header.
///
/// # Errors
/// [`crate::error::Error::Corrupt`] if they do not fit into the format's limits.
pub fn write(network: &Network, header: &str) -> Result<Vec<u8>> {
    let mut tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
    for (index, layer) in network.layers().enumerate() {
        let weights = layer.weights..layer.biases;
        let shape = vec![layer.inputs, layer.outputs];
        let floats = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let values = &network.parameters()[weights.clone()];
        tensors.push((format!("layer.{index}.weight"), Dtype::F32, shape.clone(), floats(values)));
        let biases = &network.parameters()[layer.biases..layer.end()];
        let name = format!("layer.{index}.bias");
        tensors.push((name, Dtype::F32, vec![layer.outputs], floats(biases)));
        let mask = &network.mask()[weights];
        if mask.contains(&false) {
            let bytes = mask.iter().map(|&live| u8::from(live)).collect();
            tensors.push((format!("layer.{index}.mask"), Dtype::U8, shape, bytes));
        }
    }
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| {
            let view = TensorView::new(*dtype, shape.clone(), bytes).map_err(unreadable)?;
            Ok((name.as_str(), view))
        })
        .collect::<Result<Vec<_>>>()?;
    let zeros = String::from_utf8_lossy(&NO_HASH);
    let metadata = HashMap::from([(HEADER.to_owned(), format!("{zeros}{header}"))]);
    let bytes = safetensors::serialize(views, Some(metadata)).map_err(unreadable)?;
    seal(bytes)
}

/// A file with its hash made right, whatever digits stand in its place.
///
/// # Errors
/// [`crate::error::Error::Corrupt`] if there is no such place.
pub fn seal(mut bytes: Vec<u8>) -> Result<Vec<u8>> {
    let place = hash_place(&bytes, entry(&bytes)?.0.as_bytes())?;
    bytes[place..place + NO_HASH.len()].copy_from_slice(&NO_HASH);
    let hash = hash_of(&bytes);
    bytes[place..place + NO_HASH.len()].copy_from_slice(hash.as_bytes());
    Ok(bytes)
}

/// The header of a file, the hash having been checked.
///
/// # Errors
/// [`crate::error::Error::Corrupt`] saying what is wrong with the bytes.
pub fn read_header(bytes: &[u8]) -> Result<String> {
    let (hash, header) = entry(bytes)?;
    let place = hash_place(bytes, hash.as_bytes())?;
    let mut unsigned = bytes.to_vec();
    unsigned[place..place + NO_HASH.len()].copy_from_slice(&NO_HASH);
    if hash_of(&unsigned) != hash {
        return Err(corrupt("the file is damaged: its hash does not match"));
    }
    Ok(header)
}

/// Hash and header as the file has them.
fn entry(bytes: &[u8]) -> Result<(String, String)> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(unreadable)?;
    let entry = metadata.metadata().as_ref().and_then(|entries| entries.get(HEADER));
    match entry.and_then(|entry| entry.split_at_checked(NO_HASH.len())) {
        Some((hash, header)) => Ok((hash.to_owned(), header.to_owned())),
        None => Err(corrupt("not a network saved by apbt-rs")),
    }
}

/// The network in a file whose header names the activations.
///
/// # Errors
/// [`crate::error::Error::Corrupt`] saying what is wrong with the bytes.
pub fn read_network(bytes: &[u8], activations: Vec<Activation>) -> Result<Network> {
    let tensors = SafeTensors::deserialize(bytes).map_err(unreadable)?;
    if tensors.tensor(&format!("layer.{}.weight", activations.len())).is_ok() {
        return Err(corrupt("the file has more layers than activations"));
    }
    let mut topology = Vec::new();
    let (mut parameters, mut mask) = (Vec::new(), Vec::new());
    for index in 0..activations.len() {
        let tensor = |part: &str, dtype: Dtype| {
            let name = format!("layer.{index}.{part}");
            let tensor = tensors.tensor(&name).map_err(unreadable)?;
            if tensor.dtype() == dtype {
                Ok(tensor)
            } else {
                Err(corrupt(format!("{name} has another type than it should")))
            }
        };
        let weight = tensor("weight", Dtype::F32)?;
        let [inputs, outputs] = weight.shape()[..] else {
            return Err(corrupt(format!("layer.{index}.weight is no matrix")));
        };
        if index == 0 {
            topology.push(inputs);
        } else if topology.last() != Some(&inputs) {
            return Err(corrupt(format!("layer.{index} does not fit the layer before")));
        }
        topology.push(outputs);
        parameters.extend(floats(weight.data()));
        if tensors.tensor(&format!("layer.{index}.mask")).is_ok() {
            mask.extend(tensor("mask", Dtype::U8)?.data().iter().map(|&byte| byte != 0));
        } else {
            mask.resize(mask.len() + weight.data().len() / 4, true);
        }
        let bias = tensor("bias", Dtype::F32)?;
        parameters.extend(floats(bias.data()));
        mask.resize(mask.len() + bias.data().len() / 4, true);
    }
    Network::new(topology, activations, parameters, mask)
}

fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> + '_ {
    bytes.as_chunks::<4>().0.iter().map(|&four| f32::from_le_bytes(four))
}

/// Where the hash's digits stand; they must stand in one place only.
fn hash_place(bytes: &[u8], hash: &[u8]) -> Result<usize> {
    let before = format!("\"{HEADER}\":\"");
    let wanted = [before.as_bytes(), hash].concat();
    let mut places = bytes.windows(wanted.len()).enumerate().filter(|(_, part)| *part == wanted);
    match (places.next(), places.next()) {
        (Some((place, _)), None) => Ok(place + before.len()),
        _ => Err(corrupt("the file has no hash where one should be")),
    }
}

fn hash_of(bytes: &[u8]) -> String {
    let mut digits = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        // Writing into a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

fn unreadable(error: impl std::fmt::Display) -> Error {
    corrupt(format!("not a readable safetensors file: {error}"))
}
