//! Removing an object from a built world is building the world without its document.

use proptest::prelude::*;

use super::cases;
use super::sketch::{Names, Sketch, sketch, traces};

proptest! {
    #![proptest_config(cases(12))]

    #[test]
    fn removing_is_never_having_written(sketch in sketch()) {
        let world = sketch.world();
        let flows = sketch.flows(&Names::default());
        for (index, object) in sketch.policy_refs().iter().enumerate() {
            let removed = world.with_objects(world.objects.without(object));
            let mut fewer: Sketch = sketch.clone();
            fewer.policies.remove(index);
            prop_assert_eq!(traces(&removed, &flows), traces(&fewer.world(), &flows), "without {}", object);
        }
    }
}
