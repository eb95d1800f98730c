//! Formats as literal values.

use avalanche_vm::testing::run;

use super::support::{chain, hex, number, step, submit};

#[test]
fn formats_are_what_they_were() {
    run(async {
        let mut chain = chain().await;
        assert_eq!(
            chain.tip().id.to_string(),
            "2dmdZYvNPUfqPS6XfGq7cy3pcU2QMdx5PUxG4khgFDCGdUmErx"
        );
        submit(&mut chain, &[number(5), [number(6), b"salt".to_vec()].concat()]).await;
        let block = step(&mut chain).await.expect("a block");
        assert_eq!(
            hex(block.bytes()),
            concat!(
                "01d72f8b3d0ca7073ba42a552e096efc6ebf3b29d9bdc1cab227474692d84ce98a000000000000",
                "00010000018bcfe56be872f3eb9aeaf8283011ce6e437fdecd65eace8f52cc4b1a06a4bc9b8f11",
                "2c570d000000020000000800000000000000050000000c000000000000000673616c74",
            )
        );
        for more in 1..4 {
            submit(&mut chain, &[number(more)]).await;
            step(&mut chain).await.expect("a block");
        }
        let sync = chain.vm().state_sync().expect("state sync");
        let summary = sync.last().await.unwrap().expect("a summary at height 4");
        assert_eq!(
            hex(&summary.bytes),
            concat!(
                "01263697d2a5d70f8d06e4cb6b6468cbd98fa9c5dc3fc845c7a38b74f6b83832ba000000000000",
                "00040000018bcfe577a04c1ab1ee066e0e7a0559c010235945c68667e62b65d5da70c1f3cd60b1",
                "ae7297000000000c3b201a00000000000000050000000000000000000000000000000417979cff",
                "24952800",
            )
        );
    });
}
