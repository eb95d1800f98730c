//! Pictures of the instances and the tree, one for each rule.
