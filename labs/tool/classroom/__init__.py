# SPDX-License-Identifier: MIT
"""A workflow for GitHub: one command a task, with the points of points.toml; ./lab classroom N prints it.

Two forms. The plain one asks for nothing but a machine: its last step adds the points up. With `--graders` it uses the graders of
GitHub Classroom, which report to Classroom's own table; their authors say that Classroom has been shut down for new use, so
the plain form is the first choice. A task counts wholly or not at all in both, since a step has one outcome.
"""
PACKAGES = 'check libsubunit-dev libxxhash-dev libsqlite3-dev pkg-config'
LIMIT_MINUTES = 15


def points_of(lab):
    """{task: points}, in the order of the tasks."""
    return {task: sum(t['points'] for t in lab.of_task(task)) for task in lab.tasks()}


def step_id(task):
    return 'task-' + task.replace('.', '-')


def workflow(lab, graders=False):
    n, points = lab.number, points_of(lab)
    lines = [f'# Lab {n}, {lab.title}. Made by `./lab classroom {n}{" --graders" * graders}`; put it into .github/workflows/classroom.yml.',
             '# The table of Classroom needs these two names: "Autograding Tests" and "run-autograding-tests".',
             'name: Autograding Tests', "'on': [push, workflow_dispatch]", 'permissions:', *['  checks: write', '  actions: read'] * graders,
             '  contents: read', 'jobs:', '  run-autograding-tests:', '    runs-on: ubuntu-24.04', '    steps:',
             '      - uses: actions/checkout@v4', '      - name: What the lab needs',
             f'        run: sudo apt-get update -q && sudo apt-get install -q -y {PACKAGES}', '      - name: Build the engine',
             f'        run: ./lab doctor && ./lab prepare {n}']
    for task, of in points.items():
        lines += [f'      - name: Task {task}, {of} point{"s" * (of != 1)}', f'        id: {step_id(task)}']
        command = f'./lab test {n} --task {task}'
        if graders:
            lines += ['        uses: classroom-resources/autograding-command-grader@v1', '        with:', f'          test-name: Task {task}',
                      f'          command: {command}', f'          timeout: {LIMIT_MINUTES}', f'          max-score: {of}']
        else:
            lines += ['        continue-on-error: true', f'        timeout-minutes: {LIMIT_MINUTES}', f'        run: {command}']
    if graders:
        lines += ['      - name: Report', '        uses: classroom-resources/autograding-grading-reporter@v1', '        env:']
        lines += [f'          {step_id(t).upper()}_RESULTS: "${{{{steps.{step_id(t)}.outputs.result}}}}"' for t in points]
        lines += ['        with:', '          runners: ' + ','.join(step_id(t) for t in points)]
    else:
        lines += ['      - name: Points', '        run: |', '          points=0']
        lines += [f'          test "${{{{ steps.{step_id(t)}.outcome }}}}" = success && points=$((points + {of})) || echo "task {t}: 0 of {of}"'
                  for t, of in points.items()]
        lines += [f'          echo "$points of {sum(points.values())} points" | tee -a "$GITHUB_STEP_SUMMARY"',
                  f'          test "$points" -eq {sum(points.values())}']
    return '\n'.join(lines) + '\n'
