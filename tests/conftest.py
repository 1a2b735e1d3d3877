"""What all tests share: how hypothesis behaves on slow, noisy machines."""

from hypothesis import HealthCheck, settings

# No deadline: a noisy neighbour must not fail a test. Derandomised: a red run can be repeated.
settings.register_profile(
    "netbench", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("netbench")
