"""What features do: interventions on the residual stream and what follows from them."""
