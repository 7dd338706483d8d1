"""What holds for all tests: none of them fails because a machine is slow."""

from hypothesis import HealthCheck, settings

collect_ignore = ["measure_coverage.py"]  # a command of dev.py, no test

settings.register_profile("clockless", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("clockless")
