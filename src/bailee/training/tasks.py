"""What a job asks of a trainer, read from its files.

Pure. Raises InvalidInput naming file and line where an example cannot be learned.
"""

from bailee.application_state.fine_tuning import JobDetails
from bailee.ports.trainer import PreferenceTask, SupervisedTask, TrainingTask
from bailee.training.examples import preference_examples, supervised_examples
from bailee.training.hyperparameters import decided, read_hyperparameters


def task_of(details: JobDetails, training: bytes, validation: bytes) -> TrainingTask:
    """The task; `validation` is empty where there is no such file. Raises InvalidInput."""
    given = {name: value for name, value in details.hyperparameters.items() if value is not None}
    if details.method == "dpo":
        preferred = preference_examples(training)
        asked = read_hyperparameters(given, "dpo")
        checked = (
            preference_examples(validation, field="validation_file", fewest=1) if validation else ()
        )
        values = decided(asked, "dpo", len(preferred))
        return PreferenceTask(preferred, checked, values, details.seed)
    examples = supervised_examples(training)
    asked = read_hyperparameters(given, "supervised")
    valid = supervised_examples(validation, field="validation_file", fewest=1) if validation else ()
    values = decided(asked, "supervised", len(examples))
    return SupervisedTask(examples, valid, values, details.seed)
