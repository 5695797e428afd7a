"""How many threads: affinity and the quotas of control groups, in made-up trees of files."""

import pytest

from facade.sweeps.workers.cpus import cgroup_quota, threads_of, usable_cpus


@pytest.fixture
def write(tmp_path):
    """A function that writes a file below a made-up root."""

    def write(path, text):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(f"{text}\n")

    return write


def test_the_quota_of_a_control_group_of_version_2_is_the_tightest_on_the_way_up(tmp_path, write):
    write("proc/self/cgroup", "0::/pods/mine")
    write("sys/fs/cgroup/pods/mine/cpu.max", "max 100000")
    write("sys/fs/cgroup/pods/cpu.max", "150000 100000")
    assert cgroup_quota(tmp_path) == 1.5
    write("sys/fs/cgroup/pods/mine/cpu.max", "50000 100000")
    assert cgroup_quota(tmp_path) == 0.5
    assert usable_cpus(tmp_path) == 1


def test_a_container_that_names_the_control_group_of_its_host_has_the_quota_of_the_mount(tmp_path, write):
    write("proc/self/cgroup", "0::/../../docker/abc")
    write("sys/fs/cgroup/cpu.max", "200000 100000")
    assert cgroup_quota(tmp_path) == 2.0


def test_the_quota_of_a_control_group_of_version_1(tmp_path, write):
    write("proc/self/cgroup", "12:memory:/a\n4:cpu,cpuacct:/a/b\n1:name=systemd:/a")
    write("sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us", "100000")
    write("sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "-1")
    assert cgroup_quota(tmp_path) is None
    write("sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "250000")
    assert cgroup_quota(tmp_path) == 2.5


def test_without_control_groups_the_affinity_decides(tmp_path):
    assert cgroup_quota(tmp_path) is None
    assert usable_cpus(tmp_path) >= 1
    assert threads_of(None) == usable_cpus()
    assert threads_of(7) == 7
