"""Workflow -> WorkflowPlan: every decision about a generated module. `workflow` is the way in."""
