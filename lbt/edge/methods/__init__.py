"""Methods that adapt online, one file each; a file's class ``Method`` derives from :class:`lbt.edge.online.Base`."""
