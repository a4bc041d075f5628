"""WorkflowPlan -> text: templates and how they are printed. `printing` is the way in; `compile` makes `compiled` from templates/."""
