"""What a worker does with a task: a whole source, a part of one, or many that become one."""
