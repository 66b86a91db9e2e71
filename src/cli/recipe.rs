//! The stack that an argument names.

use airtight_provision::Recipe;

use super::error::CliError;
use super::input::stack_document;

/// How a stack is installed, by name or file.
pub(super) fn recipe(name: &str) -> Result<Recipe, CliError> {
    Recipe::read(&stack_document(name)?).map_err(CliError::Input)
}
